"""Clips to embeddings, through the engine's own pipeline: what a listener would have received.

Kept in one netCDF file, with the model's digest, so that nobody mixes two models' embeddings. A clip that
cannot be read is skipped and listed. Not here: what is done with embeddings (``evaluate``, ``head``).
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.file import BLOCK_SAMPLES, open_audio
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import SourceError
from streamdeep.frontend.logmel import warm_up
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block, Embedding, Flag
from streamdeep_trainer.conditions.condition import CLEAN, Condition
from streamdeep_trainer.conditions.sound import Sound, read_sound
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.netcdf import (
    clip_arrays,
    clips_from,
    read_netcdf,
    versions,
    write_netcdf,
)
from streamdeep_trainer.progress import track
from streamdeep_trainer.skipped import UNUSABLE, reason_of

KIND = "embeddings"


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedClips:
    """The embeddings of a data set.

    Attributes:
        clips: those that could be read.
        vectors: ``(rows, dim)`` float32.
        clip_rows: ``(rows,)`` int64, index of each row's clip.
        start_samples: ``(rows,)`` int64, at the clip's own rate.
        n_samples: ``(rows,)`` int64.
        level_dbfs: ``(rows,)`` float64.
        model_digest: SHA-256 of the model, 32 bytes.
        about: the model's front-end, segment, and the seed it was trained with.
        skipped: filename and reason of every clip that could not be read.
    """

    clips: tuple[Clip, ...]
    vectors: NDArray[np.float32]
    clip_rows: NDArray[np.int64]
    start_samples: NDArray[np.int64]
    n_samples: NDArray[np.int64]
    level_dbfs: NDArray[np.float64]
    model_digest: bytes
    about: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()

    def only(self, clips: Sequence[Clip]) -> Self:
        """The rows of some clips, which are numbered in this order."""
        places = {clip.filename: place for place, clip in enumerate(clips)}
        found = np.array([places.get(clip.filename, -1) for clip in self.clips], dtype=np.int64)
        clip_rows = found[self.clip_rows]
        kept = clip_rows >= 0
        return replace(
            self,
            clips=tuple(clips),
            vectors=self.vectors[kept],
            clip_rows=clip_rows[kept],
            start_samples=self.start_samples[kept],
            n_samples=self.n_samples[kept],
            level_dbfs=self.level_dbfs[kept],
        )


def embed_clip(path: Path, model: Model, *, early_frames: int | None = None) -> list[Embedding]:
    """All embeddings of one sound file.

    Args:
        path: the file.
        model: loaded and proven.
        early_frames: see :func:`embeddings_of`.

    Raises:
        SourceError: not audio, broken off, or too short.
    """
    with open_audio(path) as audio:
        pipeline = _pipeline(model, audio.sample_rate_hz, audio.n_channels, early_frames)
        found = list(embeddings_of(audio.blocks(), pipeline, early_frames=early_frames))
    if not found:
        raise SourceError(f"{path} is {_too_short(early_frames)}")
    return found


def embed_sound(sound: Sound, model: Model, *, early_frames: int | None = None) -> list[Embedding]:
    """All embeddings of a sound in memory, as a source of its rate would give them; as :func:`embed_clip`."""
    n_channels = sound.samples.shape[1]
    pipeline = _pipeline(model, sound.sample_rate_hz, n_channels, early_frames)
    blocks = (
        Block(sound.samples[first : first + BLOCK_SAMPLES], first)
        for first in range(0, len(sound.samples), BLOCK_SAMPLES)
    )
    found = list(embeddings_of(blocks, pipeline, early_frames=early_frames))
    if not found:
        raise SourceError(f"it is {_too_short(early_frames)}")
    return found


def _pipeline(
    model: Model, sample_rate_hz: int, n_channels: int, early_frames: int | None
) -> Pipeline:
    early = () if early_frames is None else (early_frames,)
    return Pipeline(model, sample_rate_hz, n_channels, early_frames=early)


def _too_short(early_frames: int | None) -> str:
    least = "one frame" if early_frames is None else f"{early_frames} frames"
    return f"shorter than {least} of the model"


def embeddings_of(
    blocks: Iterable[Block], pipeline: Pipeline, *, early_frames: int | None = None
) -> Iterator[Embedding]:
    """What becomes of a signal.

    Args:
        blocks: one after another.
        pipeline: fresh; with these early frames.
        early_frames: give the early embeddings after so many frames in the place of whole segments, as if
            segments were as short as that.

    Yields:
        Embeddings, in the order in which they end.
    """
    for block in blocks:
        yield from _kept(pipeline.push(block), early_frames)
    yield from _kept(pipeline.flush(), early_frames)


def _kept(found: list[Embedding], early_frames: int | None) -> list[Embedding]:
    early = early_frames is not None
    return [embedding for embedding in found if bool(embedding.flags & Flag.EARLY) == early]


def embed_clips(
    clips: Sequence[Clip],
    model_path: Path,
    *,
    condition: Condition = CLEAN,
    workers: int = 1,
    early_frames: int | None = None,
) -> EmbeddedClips:
    """Embed a data set.

    Args:
        clips: those that cannot be read are skipped and listed.
        model_path: the model file.
        condition: under which every clip is heard; what it draws is drawn by a seed of 0.
        workers: processes; results do not depend on it.
        early_frames: see :func:`embeddings_of`.

    Raises:
        SourceError: not one clip can be read.
        ModelError: the model file is not good.
    """
    model = load_model(model_path)
    warm_up(model.contract.frontend)
    found = _results(clips, model, model_path, condition, workers, early_frames)
    return gathered(clips, track(found, len(clips), "embed"), model)


def gathered(
    clips: Sequence[Clip], results: Iterable[list[Embedding] | str], model: Model
) -> EmbeddedClips:
    """What became of clips, as one.

    Args:
        clips: all that were asked for.
        results: per clip its embeddings, or why there are none.
        model: that made them.

    Raises:
        SourceError: there are no embeddings.
    """
    kept: list[Clip] = []
    embeddings: list[Embedding] = []
    rows: list[int] = []
    skipped: list[tuple[str, str]] = []
    for clip, result in zip(clips, results, strict=True):
        if isinstance(result, str):
            skipped.append((clip.filename, result))
            continue
        rows += [len(kept)] * len(result)
        embeddings += result
        kept.append(clip)
    if not kept:
        raise SourceError(
            f"none of the {len(clips)} clips can be embedded; the first: {skipped[0][1]}"
            if skipped
            else "there are no clips"
        )
    return EmbeddedClips(
        clips=tuple(kept),
        vectors=np.stack([embedding.vector for embedding in embeddings]),
        clip_rows=np.array(rows, dtype=np.int64),
        start_samples=np.array([embedding.start_sample for embedding in embeddings], np.int64),
        n_samples=np.array([embedding.n_samples for embedding in embeddings], np.int64),
        level_dbfs=np.array([embedding.level_dbfs for embedding in embeddings]),
        model_digest=model.digest,
        about=about_model(model),
        skipped=tuple(skipped),
    )


def about_model(model: Model) -> dict[str, Any]:
    """What a file of embeddings says about the model beside its digest."""
    contract = model.contract
    return {
        "frontend": contract.frontend.model_dump(mode="json"),
        "segment": contract.segment.model_dump(mode="json"),
        "sample_rate_hz": contract.frontend.sample_rate_hz,
        "seed": contract.provenance.get("seed"),
    }


def _results(
    clips: Sequence[Clip],
    model: Model,
    model_path: Path,
    condition: Condition,
    workers: int,
    early_frames: int | None,
) -> Iterator[list[Embedding] | str]:
    """Per clip its embeddings, or why there are none."""
    if workers == 1:
        for clip in clips:
            yield _attempt(clip, model, condition, early_frames)
        return
    # spawn: a fork would copy ONNX Runtime's threads in the middle of their work
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_open_worker, initargs=(model_path,)
    ) as pool:
        same = ([condition] * len(clips), [early_frames] * len(clips))
        yield from pool.map(_work, clips, *same, chunksize=4)


def _attempt(
    clip: Clip, model: Model, condition: Condition, early_frames: int | None
) -> list[Embedding] | str:
    try:
        if condition == CLEAN:
            return embed_clip(clip.path, model, early_frames=early_frames)
        changed = condition.change(read_sound(clip.path), seed=0, filename=clip.filename)
        return embed_sound(changed, model, early_frames=early_frames)
    except UNUSABLE as error:
        return reason_of(clip.path, error)


_worker_model: list[Model] = []  # one per worker process, loaded when it starts


def _open_worker(model_path: Path) -> None:
    _worker_model[:] = [load_model(model_path)]


def _work(clip: Clip, condition: Condition, early_frames: int | None) -> list[Embedding] | str:
    return _attempt(clip, _worker_model[0], condition, early_frames)


_ABOUT = ("frontend", "segment", "sample_rate_hz", "seed")


def save_embeddings(path: Path, embedded: EmbeddedClips) -> None:
    """Write them."""
    arrays: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        **clip_arrays(embedded.clips),
        "embedding": (("row", "dim"), embedded.vectors),
        "clip_row": (("row",), embedded.clip_rows),
        "start_sample": (("row",), embedded.start_samples),
        "n_samples": (("row",), embedded.n_samples),
        "level_dbfs": (("row",), embedded.level_dbfs),
    }
    attributes = {
        "model": embedded.model_digest.hex(),
        "skipped": embedded.skipped,
        "versions": versions(),
        **embedded.about,
    }
    write_netcdf(path, arrays, kind=KIND, attributes=attributes)


def load_embeddings(path: Path) -> EmbeddedClips:
    """Read them again; the inverse of :func:`save_embeddings`, except for where the clips lay."""
    arrays, attributes = read_netcdf(path, KIND)
    return EmbeddedClips(
        clips=clips_from(arrays),
        vectors=arrays["embedding"],
        clip_rows=arrays["clip_row"].astype(np.int64),
        start_samples=arrays["start_sample"].astype(np.int64),
        n_samples=arrays["n_samples"].astype(np.int64),
        level_dbfs=arrays["level_dbfs"],
        model_digest=bytes.fromhex(attributes["model"]),
        about={key: attributes[key] for key in _ABOUT if key in attributes},
        skipped=tuple((name, reason) for name, reason in attributes["skipped"]),
    )
