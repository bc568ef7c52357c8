"""Systems that have learnt elsewhere: a model file of this project, and anybody's ONNX network as it is.

They hear no clip, so that both protocols are one, and there is no untrained twin: nobody knows what they began with.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from streamdeep_trainer.baselines.foreign import FOREIGN_OPERATORS, ForeignNetwork, Inputs
from streamdeep_trainer.baselines.samples import samples_of
from streamdeep_trainer.baselines.settings import ForeignSettings
from streamdeep_trainer.comparing.cost import cost_of, macs, n_weights
from streamdeep_trainer.comparing.material import material_of
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import Cost, Features
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.progress import track
from streamdeep_trainer.spans import spans_of


@dataclass(frozen=True, slots=True)
class ModelFileSystem:
    """A model file, wrapped ones too, as the engine runs it.

    Attributes:
        name: what tables call it.
        file: where it lies.
    """

    name: str
    file: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The one."""
        return (self.file,)

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Embed all clips; nothing is drawn.

        Raises:
            ModelError: the file is not good.
        """
        found = embed_clips(clips, self.file)
        return Features(found.clips, found.vectors, found.clip_rows, cost_of(self.file))

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """None: it is not known."""
        return None


@dataclass(frozen=True, slots=True)
class ForeignSystem:
    """See :mod:`streamdeep_trainer.baselines.foreign`.

    Attributes:
        name: what tables call it.
        recipe: of which front-end and segments are taken for a network that wants frames; None: it wants samples.
        spectra: of all clips.
        settings: the file, and for samples their rate and segments.
    """

    name: str
    recipe: Recipe | None
    spectra: Spectra
    settings: ForeignSettings

    @property
    def files(self) -> tuple[Path, ...]:
        """The one."""
        return (self.settings.file,)

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Run it on all clips. Levels of frames are learnt, where the recipe does not say them.

        Raises:
            ModelError: it cannot be read, or does not take what it is given.
            SourceError: a clip cannot be read.
        """
        network = ForeignNetwork(self.settings.file, self.settings.output)
        vectors, rows, segments_per_s = [], [], 1.0 / self.settings.segment_s
        inputs: Inputs = {}
        pairs: Iterable[tuple[int, Inputs]]
        if self.recipe is not None:
            material = material_of(clips, heard, self.recipe, self.spectra)
            segments_per_s = material.segments_per_s
            segments = track(material.segments, len(material.segments), "foreign network")
            pairs = zip(
                material.clip_rows.tolist(), map(network.inputs_of_frames, segments), strict=True
            )
        else:
            pairs = self._sampled(clips, network)
        for row, inputs in pairs:
            vectors.append(network.vector(inputs))
            rows.append(row)
        products = macs(network.content, inputs, FOREIGN_OPERATORS)
        n_parameters = n_weights(onnx.ModelProto.FromString(network.content).graph)
        cost = Cost(n_parameters, products * segments_per_s, None, False)
        return Features(tuple(clips), np.stack(vectors), np.array(rows, dtype=np.int64), cost)

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """None: it is not known."""
        return None

    def _sampled(
        self, clips: Sequence[Clip], network: ForeignNetwork
    ) -> Iterator[tuple[int, Inputs]]:
        rate_hz = self.settings.sample_rate_hz
        length, hop = (
            max(1, round(seconds * rate_hz))
            for seconds in (self.settings.segment_s, self.settings.hop_s)
        )
        for row, clip in enumerate(track(clips, len(clips), "foreign network")):
            samples = samples_of(clip.path, rate_hz)
            for first, last in spans_of(len(samples), length, hop):
                yield row, network.inputs_of_samples(samples[first:last])
