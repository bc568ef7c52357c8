"""A head per fold, taught without the fold; the fold streamed as one signal; every way to decide scored on it.

The head, its regularisation and its temperature come from the training folds alone. So does the last way, *chosen on
the training folds*: each of them is streamed in turn, heard by a head that the others taught, and of
:data:`streamdeep_trainer.live.settings.GRID` the settings with the highest mean event-based F1 are taken.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import hop_frames_from_seconds
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ConfigurationError
from streamdeep.heads.head import Head
from streamdeep.heads.settings import DecisionSettings
from streamdeep.heads.writing import write_linear_head
from streamdeep.pipeline import Pipeline
from streamdeep.records import Embedding
from streamdeep_trainer.config import HeadRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.embed import embeddings_of
from streamdeep_trainer.evaluation.classify import Rows
from streamdeep_trainer.head import (
    N_FOLDS,
    embed_copies,
    learn_head,
    stacked,
    teaching_conditions,
)
from streamdeep_trainer.live.events import event_f1
from streamdeep_trainer.live.hearing import Heard, hear, scores_of
from streamdeep_trainer.live.scoring import COLLARS_S, OFFSET_SHARE, FoldScores, score
from streamdeep_trainer.live.settings import CHOSEN, GRID, WAYS, Way
from streamdeep_trainer.live.signal import Signal, make_signal
from streamdeep_trainer.progress import progress


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
        recipe: conditions and regularisations of the heads.
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
                scores.append(score(fold, way, heard, given, streamed[fold].signal))
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
    """Every clip under every condition, as a head is taught them."""
    copies = embed_copies(
        clips,
        model_path,
        teaching_conditions(recipe),
        workers=workers,
        tell_skipped=tell_skipped,
        early_frames=early_frames,
    )
    rows, names = stacked(copies)
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
