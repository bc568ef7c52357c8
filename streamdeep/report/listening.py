"""A recording or sound file through the very pipeline that runs live, and what is to be shown of it, gathered.

Nothing grows with the length of the sound but the list of sounds told and the list of losses, and these end at a bound
that the page names. Embeddings, epochs and the ledger are those that ``streamdeep run`` would publish; sounds are
decided as ``streamdeep classify`` does. Not here: how it is drawn.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FixedLevel
from streamdeep.encoder.model import Model
from streamdeep.errors import SourceError
from streamdeep.heads.head import Head
from streamdeep.heads.settings import UNKNOWN, DecisionSettings
from streamdeep.labelling.labeller import Labelled, Labeller
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block, Embedding, Frames, Ledger, Sound
from streamdeep.report.strip import Strip
from streamdeep.report.thinned import Thinned
from streamdeep.wire.kinds import EmbeddingMessage

COLUMNS_MOST: Final = 2_000
"""About as many as a screen has."""
POINTS_MOST: Final = 3_000
SOUNDS_MOST: Final = 100_000
LOSSES_MOST: Final = 100_000
_SILENCE_DBFS: Final = -120.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples that the engine did not have.

    Attributes:
        start_sample: the source's index of the first of them.
        n_samples: how many.
        gap_samples: how many of these were never captured; the others were captured and then lost.
        estimated: ``gap_samples`` is an estimate.
        reason: why the others were lost.
    """

    start_sample: int
    n_samples: int
    gap_samples: int
    estimated: bool
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """An embedding on the map.

    Attributes:
        vector: ``(dim,)``, or its two coordinates where the model has a projection.
        start_sample: where its segment begins.
        label: what was heard when it ended.
    """

    vector: NDArray[np.float32]
    start_sample: int
    label: str


class Listening:
    """Hears a source and remembers what a page shows.

    Args:
        model: the encoder.
        head: what gives labels; None: nothing does.
        settings: when a sound begins and ends.
        sample_rate_hz: the source's.
        n_channels: the source's.
        hop_frames: frames between segments; None is the model's.
        first_sample: the source's index of the first sample.

    Attributes:
        spectrum: largest level of each band in each column, dBFS or, for models that stretch each segment, dB.
        loudness: mean square and largest magnitude of the samples.
        chances: each class' probability, not smoothed; None without a head.
        novelty: None where the model cannot tell.
        points: for the map.
        sounds: those that have ended.
        n_sounds: how many there were.
        losses: where samples are missing.
        n_losses: how many there were.
        n_lost: all samples missing.
        stop_sample: one past the last sample heard.
    """

    def __init__(
        self,
        model: Model,
        head: Head | None,
        settings: DecisionSettings,
        *,
        sample_rate_hz: int,
        n_channels: int,
        hop_frames: int | None = None,
        first_sample: int = 0,
    ) -> None:
        self.model, self.head = model, head
        self.settings = settings
        self.sample_rate_hz, self.n_channels = sample_rate_hz, n_channels
        self._labeller = None if head is None else Labeller(head, settings, clock=lambda: 0)
        self.pipeline = Pipeline(
            model, sample_rate_hz, n_channels, hop_frames=hop_frames, show=self._show
        )
        frontend = model.contract.frontend
        self._view = frontend.views[0]
        hop_samples = -(-frontend.hop_samples * sample_rate_hz // frontend.sample_rate_hz)

        def strip(width: int, column_samples: int) -> Strip:
            return Strip(
                width,
                first_sample=first_sample,
                column_samples=column_samples,
                most_columns=COLUMNS_MOST,
            )

        segment_samples = self.pipeline.segment.hop_frames * hop_samples
        self.spectrum = strip(self._view.width, hop_samples)
        self.loudness = strip(2, hop_samples)
        self.chances = None
        if head is not None:
            self.chances = strip(len(head.contract.labels), segment_samples)
        self.novelty = None if model.contract.statistics is None else strip(1, segment_samples)
        projection = model.contract.projection
        self._projection = None if projection is None else projection.array()
        self.points: Thinned[Point] = Thinned(POINTS_MOST)
        self.sounds: list[Sound] = []
        self.n_sounds = 0
        self.losses: list[Loss] = []
        self.n_losses = self.n_lost = 0
        self.first_sample = self.stop_sample = first_sample
        self._n_embeddings = 0

    @property
    def ledger(self) -> Ledger:
        """Where every sample is."""
        return self.pipeline.ledger()

    def hear(
        self, blocks: Iterable[Block], progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Hear all of it.

        Args:
            blocks: of one source, in order.
            progress: told after each block one past its last sample.

        Raises:
            SourceError: it cannot be read to its end, or is too short for one frame.
        """
        for block in blocks:
            self._note_loss(block)
            self.stop_sample = block.stop_sample
            for embedding in self.pipeline.push(block):
                self._take(embedding)
            progress(block.stop_sample)
        for embedding in self.pipeline.flush():
            self._take(embedding)
        if self._labeller is not None:
            for labelled in self._labeller.flush("stop"):
                self._note_sounds(labelled)
        if not self._n_embeddings:
            config = self.model.contract.frontend
            least_ms = 1000 * config.longest_window_samples / config.sample_rate_hz
            raise SourceError(
                f"there is less sound than one frame of the model: {least_ms:.0f} ms are needed"
            )

    def _note_loss(self, block: Block) -> None:
        missing = block.start_sample - self.stop_sample
        if missing <= 0:
            return
        self.n_losses += 1
        self.n_lost += missing
        if len(self.losses) < LOSSES_MOST:
            gap_samples = missing if block.gap_samples is None else block.gap_samples
            self.losses.append(
                Loss(
                    self.stop_sample,
                    missing,
                    gap_samples,
                    block.gap_estimated,
                    block.lost_reason,
                )
            )

    def _show(self, frames: Frames, samples: NDArray[np.int64]) -> None:
        values = frames.values[:, : self._view.width].astype(np.float64)
        if isinstance(self._view.level, FixedLevel):
            floor_db, ceiling_db = self._view.level.floor_db, self._view.level.ceiling_db
            levels = floor_db + (values + 1.0) / 2.0 * (ceiling_db - floor_db)
        else:
            levels = 10.0 * np.log10(np.maximum(values, 10.0 ** (_SILENCE_DBFS / 10.0)))
        self.spectrum.add(samples, levels)
        self.loudness.add(samples, np.stack((frames.energies, frames.peaks), axis=1))

    def _take(self, embedding: Embedding) -> None:
        centre = np.array([embedding.start_sample + embedding.n_samples // 2])
        if self.novelty is not None and embedding.novelty is not None:
            self.novelty.add(centre, np.array([[embedding.novelty]]))
        label = UNKNOWN
        if self._labeller is not None and self.head is not None and self.chances is not None:
            message = _message(embedding, self._n_embeddings, self.model.short_digest)
            for labelled in self._labeller.push(message, now_ns=0):
                self._note_sounds(labelled)
                if not labelled.only_changes:
                    label = labelled.label
                    row = [labelled.probabilities[name] for name in self.head.contract.labels]
                    self.chances.add(centre, np.array([row]))
        vector = embedding.vector
        if self._projection is not None:
            vector = self._projection @ vector
        self.points.add(Point(vector, embedding.start_sample, label))
        self._n_embeddings += 1

    def _note_sounds(self, labelled: Labelled) -> None:
        for sound in labelled.changes:
            if sound.state == "end":
                self.n_sounds += 1
                if len(self.sounds) < SOUNDS_MOST:
                    self.sounds.append(sound)


def _message(embedding: Embedding, sequence: int, model: bytes) -> EmbeddingMessage:
    """The embedding as a classifier receives it; nobody asks when it was sent."""
    return EmbeddingMessage(
        stream="report",
        session=b"",
        sequence=sequence,
        published_utc_ns=0,
        published_monotonic_ns=0,
        flags=embedding.flags,
        epoch=embedding.epoch,
        start_sample=embedding.start_sample,
        n_samples=embedding.n_samples,
        sample_rate_hz=embedding.sample_rate_hz,
        captured_utc_ns=0,
        latency_ns=0,
        stages_ns={},
        gap_samples=embedding.gap_samples,
        model=model,
        level_dbfs=embedding.level_dbfs,
        peak_dbfs=embedding.peak_dbfs,
        vector=embedding.vector,
        novelty=embedding.novelty,
    )
