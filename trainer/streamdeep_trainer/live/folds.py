"""A head per fold, taught without the fold; the fold streamed as one signal; every way to decide scored on it.

The head, its regularisation and its temperature come from the training folds alone. So does the last way, *chosen on
the training folds*: each of them is streamed in turn, heard by a head that the others taught, and of
:data:`streamdeep_trainer.live.settings.GRID` the settings with the highest mean event-based F1 are taken.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import hop_frames_from_seconds
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ConfigurationError
from streamdeep.heads.head import Head
from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import UNKNOWN, DecisionSettings
from streamdeep.heads.writing import write_linear_head
from streamdeep.pipeline import Pipeline
from streamdeep.records import Embedding
from streamdeep_trainer.config import HeadRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.embed import embed_clips, embeddings_of
from streamdeep_trainer.evaluation.classify import Rows
from streamdeep_trainer.evaluation.evaluate import labelled_rows
from streamdeep_trainer.head import N_FOLDS, learn_head
from streamdeep_trainer.live.events import Event, delays, event_f1, false_events, segment_f1
from streamdeep_trainer.live.hearing import Heard, hear, scores_of
from streamdeep_trainer.live.settings import CHOSEN, GRID, WAYS, Way
from streamdeep_trainer.live.signal import Signal, make_signal
from streamdeep_trainer.progress import progress

COLLARS_S: Final = (1.0, 0.5, 0.2)
"""Onset collars; the first is the one by which settings are chosen. DCASE has used 0.5 s and 0.2 s."""
OFFSET_SHARE: Final = 0.5
STEP_S: Final = 1.0
"""Of segment-based F1, as in DCASE."""


@dataclass(frozen=True, slots=True)
class FoldScores:
    """How one way to decide did on one held-out fold.

    Attributes:
        fold: its number.
        way: the name.
        settings: of the decisions.
        event_f1: by collar in seconds; onset and offset.
        onset_f1: by collar in seconds; the offset does not matter.
        segment_f1: over stretches of a second.
        accuracy: share of segments whose label is what is to be heard at their centre, or ``unknown`` where nothing is.
        delays_s: of each sound that was told.
        n_references: sounds that were there.
        n_told: sounds told.
        n_false: sounds told that were at no moment there.
        minutes: of sound.
    """

    fold: int
    way: str
    settings: DecisionSettings
    event_f1: dict[float, float]
    onset_f1: dict[float, float]
    segment_f1: float
    accuracy: float
    delays_s: tuple[float, ...]
    n_references: int
    n_told: int
    n_false: int
    minutes: float


@dataclass(frozen=True, slots=True, eq=False)
class Streamed:
    """A fold's signal and what the encoder made of it.

    Attributes:
        signal: the clips.
        embeddings: in order.
    """

    signal: Signal
    embeddings: tuple[Embedding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LiveScores:
    """All of it.

    Attributes:
        scores: of every fold and way.
        labels: the classes.
        segment_s: how much sound an embedding hears.
        hop_s: seconds between embeddings.
        model: digest of the encoder.
        n_clips: all clips.
        seed: of the order.
        first: the first fold's signal.
        heard: what each way told of it, by name.
    """

    scores: tuple[FoldScores, ...]
    labels: tuple[str, ...]
    segment_s: float
    hop_s: float
    model: bytes
    n_clips: int
    seed: int
    first: Signal
    heard: dict[str, Heard]


def score_live(
    clips: Sequence[Clip],
    model_path: Path,
    *,
    recipe: HeadRecipe,
    seed: int = 0,
    hop_s: float | None = None,
    early_s: float | None = None,
    choose: bool = True,
    workers: int = 1,
    tell_skipped: Callable[[tuple[tuple[str, str], ...]], None] = lambda _: None,
) -> LiveScores:
    """Stream every fold to a head that was taught the others.

    Args:
        clips: labelled; their official folds, or folds that are drawn.
        model_path: the encoder.
        recipe: gains and regularisations of the heads.
        seed: of the order of the clips.
        hop_s: seconds between segments of the signal; None is the model's.
        early_s: embeddings of the first so many seconds of each segment, in the place of whole ones.
        choose: also choose settings on the training folds.
        workers: processes that embed what is taught.
        tell_skipped: told once which clips cannot be read, by filename and reason.

    Raises:
        SourceError: no clip can be read.
        ConfigurationError: labels or folds are missing, or clips make no one signal.
    """
    # A head needs two folds to be calibrated; one that helps to choose has one fold less.
    n_folds, least = len(np.unique(folds_of(clips, n_folds=N_FOLDS, seed=0))), 4 if choose else 3
    if n_folds < least:
        raise ConfigurationError(
            f"{least} folds are needed and there are {n_folds}; leave the official folds out"
            + (", or use --no-choose, which needs three" if choose and n_folds == 3 else "")
        )
    model = load_model(model_path)
    frontend = model.contract.frontend
    hop_frames = None if hop_s is None else hop_frames_from_seconds(hop_s, frontend)
    early_frames = None if early_s is None else _early_frames(model, early_s)
    rows, names, kept = _taught(
        clips, model_path, recipe, early_frames, workers=workers, tell_skipped=tell_skipped
    )
    folds = [int(fold) for fold in np.unique(rows.folds)]
    streamed: dict[int, Streamed] = {}
    with progress(len(folds), "stream") as step:
        for fold in folds:
            held_out = [clip for clip, of in zip(kept, rows.folds, strict=True) if of == fold]
            signal = make_signal(held_out, seed=seed)
            pipeline = Pipeline(
                model,
                signal.sample_rate_hz,
                signal.n_channels,
                hop_frames=hop_frames,
                early_frames=() if early_frames is None else (early_frames,),
            )
            found = embeddings_of(signal.blocks(), pipeline, early_frames=early_frames)
            streamed[fold] = Streamed(signal, tuple(found))
            step(f"fold {fold}")
    scores: list[FoldScores] = []
    heard_first: dict[str, Heard] = {}
    with progress(len(folds), "judge") as step:
        for fold in folds:
            training = rows.folds != fold
            learnt = _part(rows, training)
            head, c = _head(learnt, names, model, recipe.c_grid)
            ways = list(WAYS)
            if choose:
                ways.append(Way(CHOSEN, _choose(learnt, names, model, c, streamed)))
            given = scores_of(streamed[fold].embeddings, head)
            for way in ways:
                heard = way.hear(given, names)
                if fold == folds[0]:
                    heard_first[way.name] = heard
                scores.append(_score(fold, way, heard, given, streamed[fold].signal))
            step(f"fold {fold}")
    length_frames = early_frames or model.contract.segment.length_frames
    return LiveScores(
        scores=tuple(scores),
        labels=names,
        segment_s=frontend.span_samples(length_frames) / frontend.sample_rate_hz,
        hop_s=(hop_frames or model.contract.segment.hop_frames)
        * frontend.hop_samples
        / frontend.sample_rate_hz,
        model=model.digest,
        n_clips=len(kept),
        seed=seed,
        first=streamed[folds[0]].signal,
        heard=heard_first,
    )


def _early_frames(model: Model, early_s: float) -> int:
    config = model.contract.frontend
    return max(1, round(early_s * config.sample_rate_hz / config.hop_samples))


def _taught(
    clips: Sequence[Clip],
    model_path: Path,
    recipe: HeadRecipe,
    early_frames: int | None,
    *,
    workers: int,
    tell_skipped: Callable[[tuple[tuple[str, str], ...]], None],
) -> tuple[Rows, tuple[str, ...], tuple[Clip, ...]]:
    """Every clip at every gain, as a head is taught them."""
    copies = []
    for gain in (0.0, *(gain for gain in recipe.gains_db if gain != 0.0)):
        copies.append(
            embed_clips(clips, model_path, gain_db=gain, workers=workers, early_frames=early_frames)
        )
        if len(copies) == 1:
            tell_skipped(copies[0].skipped)
    rows, names = labelled_rows(
        copies[0].clips,
        np.concatenate([copy.vectors for copy in copies]),
        np.concatenate([copy.clip_rows for copy in copies]),
        n_folds=N_FOLDS,
        seed=0,
    )
    return rows, names, copies[0].clips


def _part(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    """The rows of some clips; all labels and folds stay."""
    taught = chosen[rows.clips]
    return Rows(rows.vectors[taught], rows.clips[taught], rows.labels, rows.folds)


def _head(
    rows: Rows, names: tuple[str, ...], model: Model, grid: Sequence[float]
) -> tuple[Head, float]:
    """A head file, as it would run live, and its regularisation."""
    learnt = learn_head(rows, len(names), grid)
    with tempfile.TemporaryDirectory(prefix="streamdeep-") as folder:
        path = Path(folder) / "head.onnx"
        return (
            write_linear_head(path, learnt.weight, learnt.bias, names, model.digest),
            learnt.c,
        )


def _choose(
    rows: Rows,
    names: tuple[str, ...],
    model: Model,
    c: float,
    streamed: dict[int, Streamed],
) -> DecisionSettings:
    """The settings that do best on the training folds, each heard by a head that the others taught."""
    sums = np.zeros(len(GRID))
    for inner in np.unique(rows.folds[rows.clips]):
        head, _ = _head(_part(rows, rows.folds != inner), names, model, (c,))
        given, signal = (
            scores_of(streamed[int(inner)].embeddings, head),
            streamed[int(inner)].signal,
        )
        collar_samples = COLLARS_S[0] * signal.sample_rate_hz
        for column, settings in enumerate(GRID):
            told = hear(given, names, settings).told
            sums[column] += event_f1(
                signal.references, told, collar_samples=collar_samples, offset_share=OFFSET_SHARE
            )
    return GRID[int(sums.argmax())]


def _score(
    fold: int, way: Way, heard: Heard, given: Sequence[Scores], signal: Signal
) -> FoldScores:
    rate_hz, references = signal.sample_rate_hz, signal.references
    centres = [one.start_sample + one.n_samples // 2 for one in given]
    truths = _labels_at(references, centres)
    right = [label == truth for label, truth in zip(heard.labels, truths, strict=True)]
    late = [delay for delay in delays(references, heard.told) if delay is not None]

    def f1(collar_s: float, offset_share: float | None) -> float:
        return event_f1(
            references, heard.told, collar_samples=collar_s * rate_hz, offset_share=offset_share
        )

    return FoldScores(
        fold=fold,
        way=way.name,
        settings=way.settings,
        event_f1={collar_s: f1(collar_s, OFFSET_SHARE) for collar_s in COLLARS_S},
        onset_f1={collar_s: f1(collar_s, None) for collar_s in COLLARS_S},
        segment_f1=segment_f1(
            references,
            heard.told,
            n_samples=signal.n_samples,
            step_samples=round(STEP_S * rate_hz),
        ),
        accuracy=float(np.mean(right)),
        delays_s=tuple(delay / rate_hz for delay in late),
        n_references=len(references),
        n_told=len(heard.told),
        n_false=false_events(references, heard.told),
        minutes=signal.n_samples / rate_hz / 60.0,
    )


def _labels_at(references: Sequence[Event], samples: Sequence[int]) -> list[str]:
    """What is to be heard at each sample; ``unknown`` where nothing is."""
    stops = np.array([event.stop_sample for event in references])
    places = np.minimum(np.searchsorted(stops, samples, side="right"), len(references) - 1)
    return [
        references[place].label if references[place].start_sample <= sample else UNKNOWN
        for place, sample in zip(places, samples, strict=True)
    ]
