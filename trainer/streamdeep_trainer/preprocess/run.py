"""A data set to one netCDF file: what cannot be read is skipped and listed, what is finished is kept.

Nothing that one file does ends a run. If something else does, ``resume`` goes on where it ended. Not here:
one clip's values (``compute``), processes (``pool``), the file (``store``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.frontend.logmel import warm_up
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.parts import Parts, read_part, write_part
from streamdeep_trainer.preprocess.compute import rows_of
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.preprocess.pool import each
from streamdeep_trainer.preprocess.store import (
    PADDING,
    provenance,
    refuse_unwritable,
    write_preprocessed,
)
from streamdeep_trainer.preprocess.survey import (
    Header,
    common_rate_hz,
    refuse_endless_padding,
    survey,
)
from streamdeep_trainer.progress import track
from streamdeep_trainer.skipped import UNUSABLE, reason_of


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What a run has done.

    Attributes:
        clips: those that are in the file.
        lengths: ``(rows,)`` int64, frames of each row of the file.
        n_silent_rows: rows that are -1 everywhere.
        n_resumed: clips taken over from an earlier run.
        frontend: what computed the frames.
        notes: what a user should know, a line each.
        skipped: filename and reason of every clip that is not in the file.
    """

    clips: tuple[Clip, ...]
    lengths: NDArray[np.int64]
    n_silent_rows: int
    n_resumed: int
    frontend: FrontendConfig
    notes: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    part: Path


def preprocess(
    clips: Sequence[Clip],
    options: PreprocessOptions,
    *,
    out: Path,
    jobs: int = 1,
    resume: bool = False,
) -> Report:
    """Compute the spectrograms of a data set; 12 ms per clip of 5 s at 44.1 kHz, measured on a shared core.

    Args:
        clips: those that cannot be read, or are shorter than a frame, are skipped and listed.
        options: what to make of each.
        out: the netCDF file.
        jobs: processes; results do not depend on it.
        resume: use what an earlier run with the same options has left beside ``out``.

    Raises:
        SourceError: not one clip can be read.
        ConfigurationError: options that cannot be, files of several rates without one to resample to,
            clips too unlike in length, or nothing can be written.
    """
    if not clips:
        raise SourceError("there are no clips")
    refuse_unwritable(clips)
    found = survey(clips)
    headers = [header for header in found if isinstance(header, Header)]
    if not headers:
        raise _none_readable(clips, str(found[0]))
    frontend = options.frontend(options.sample_rate_hz or common_rate_hz(headers))
    refuse_endless_padding(headers, options, frontend=frontend)
    about = provenance(options, frontend)
    parts = Parts(out, about)
    parts.open(resume=resume)
    paths = [parts.path_of(clip) for clip in clips]
    reasons = {index: reason for index, reason in enumerate(found) if isinstance(reason, str)}
    readable = [index for index in range(len(clips)) if index not in reasons]
    finished = {index for index in readable if resume and read_part(paths[index]) is not None}
    remaining = [index for index in readable if index not in finished]
    tasks = [_Task(clips[index].path, paths[index]) for index in remaining]
    warm_up(frontend)
    try:
        work = partial(_compute_part, options=options, frontend=frontend)
        for task, failure in track(each(work, tasks, jobs=jobs), len(tasks), "spectrograms"):
            if failure is not None:
                reasons[remaining[task]] = failure
        kept = [index for index in range(len(clips)) if index not in reasons]
        skipped = tuple((clips[index].filename, reasons[index]) for index in sorted(reasons))
        if not kept:
            parts.remove()
            raise _none_readable(clips, skipped[0][1])
        clip_rows, lengths, features = _gather([paths[index] for index in kept])
        write_preprocessed(
            out,
            [clips[index] for index in kept],
            clip_rows,
            features,
            lengths=lengths,
            attributes={**about, "skipped": skipped},
        )
        parts.remove()
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {error.filename or out}: {error.strerror or error}; make room, go on with --resume"
        ) from error
    return Report(
        clips=tuple(clips[index] for index in kept),
        lengths=lengths,
        n_silent_rows=int((features == PADDING).all(axis=(1, 2)).sum()),
        n_resumed=len(finished),
        frontend=frontend,
        notes=_notes(options, frontend),
        skipped=skipped,
    )


def _compute_part(
    task: _Task, *, options: PreprocessOptions, frontend: FrontendConfig
) -> str | None:
    """Write a clip's part; return why there is none."""
    try:
        values = rows_of(task.path, options, frontend=frontend)
    except UNUSABLE as error:
        return reason_of(task.path, error)
    except Exception as error:  # whatever one file of thousands does, the others go on
        return f"{task.path} failed with {type(error).__name__}: {error}"
    write_part(task.part, values=values)
    return None


def _gather(
    paths: Sequence[Path],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """All parts as one padded array: each row's clip, its frames, ``(rows, frames, bands)``."""
    shapes = [_part(path).shape for path in paths]
    n_rows = [shape[0] for shape in shapes]
    lengths = np.repeat([shape[1] for shape in shapes], n_rows).astype(np.int64)
    shape = (int(sum(n_rows)), int(lengths.max()), shapes[0][2])
    features = np.full(shape, PADDING, dtype=np.float32)
    row = 0
    for path in paths:
        values = _part(path)
        features[row : row + len(values), : values.shape[1]] = values
        row += len(values)
    return np.repeat(np.arange(len(paths)), n_rows), lengths, features


def _part(path: Path) -> NDArray[np.float32]:
    part = read_part(path)
    if part is None:
        raise ConfigurationError(
            f"{path.parent} was changed while it was used; run again with --resume"
        )
    return part["values"]


def _notes(options: PreprocessOptions, frontend: FrontendConfig) -> tuple[str, ...]:
    rate_hz = frontend.sample_rate_hz
    plain, used = int(rate_hz * options.overlap_s), options.overlap_samples(rate_hz)
    if used == plain:
        return ()
    n_frames = frontend.n_frames(options.fixed_samples(rate_hz) or 0)
    return (
        f"windows overlap by {used} samples and not {plain}, so that {options.fixed_length_s:g} s "
        f"give {n_frames} frames",
    )


def _none_readable(clips: Sequence[Clip], first: str) -> SourceError:
    return SourceError(f"none of the {len(clips)} clips can be used; the first: {first}")
