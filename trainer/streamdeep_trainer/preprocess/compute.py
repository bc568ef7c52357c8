"""One sound file to its rows of frames, by the engine's own front-end; the order of steps is auDeep's.

Resample if asked, cut or pad to the fixed length, fuse channels, frames, levels over the file, chunks,
stretch. Not here: which files, and what becomes of the rows.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.container import ContainerFile
from streamdeep.audio.file import AudioFile, open_audio
from streamdeep.audio.resample import Resampler
from streamdeep.config import FrontendConfig
from streamdeep.errors import SourceError
from streamdeep.frontend.damage import sanitise
from streamdeep.frontend.logmel import LogMel
from streamdeep.frontend.normalise import segments
from streamdeep.pipeline import check_source
from streamdeep_trainer.preprocess.options import PreprocessOptions


def rows_of(
    path: Path, options: PreprocessOptions, *, frontend: FrontendConfig
) -> NDArray[np.float32]:
    """The rows of a file: one, or one per chunk.

    Args:
        path: the file.
        options: what is wanted.
        frontend: ``options.frontend`` at the data set's rate.

    Returns:
        ``(rows, frames, bands)`` float32 in [-1, 1]; silence is -1 everywhere.

    Raises:
        SourceError: not audio, broken off, of another rate, shorter than one frame or than its chunks.
    """
    values = values_of(path, options, frontend=frontend)
    length = options.chunk_frames(frontend)
    n_rows = 1
    if length is None:
        length = len(values)
    else:
        n_whole = len(values) // length
        n_rows = n_whole if options.chunk_count is None else options.chunk_count
        if n_whole < max(n_rows, 1):
            raise SourceError(
                f"{path} holds {n_whole} whole chunks of {length} frames and {max(n_rows, 1)} are needed; "
                "pad files with --fixed-length or ask for fewer"
            )
    if frontend.causal:
        cut = values[: n_rows * length].reshape(n_rows, length, frontend.n_features)
        return cut.astype(np.float32)
    starts = np.arange(n_rows, dtype=np.int64) * length
    return segments(np.asarray(values, dtype=np.float64), starts, length, frontend)


def values_of(
    path: Path, options: PreprocessOptions, *, frontend: FrontendConfig
) -> NDArray[np.float32] | NDArray[np.float64]:
    """All frames of a file at its fixed length: normalised where the level is causal, else power.

    Returns:
        ``(frames, bands)``, float32 in [-1, 1] or float64 power, as :class:`streamdeep.records.Frames` has it.

    Raises:
        SourceError: not audio, broken off, of another rate, or shorter than one frame.
        ConfigurationError: a rate or a number of channels that the engine does not take.
    """
    with open_audio(path) as audio:
        check_source(audio.sample_rate_hz, audio.n_channels)
        if options.sample_rate_hz is None and audio.sample_rate_hz != frontend.sample_rate_hz:
            raise SourceError(
                f"{path} has {audio.sample_rate_hz} Hz and not {frontend.sample_rate_hz} Hz; resample with --rate"
            )
        blocks: Iterable[NDArray[np.float32]] = _blocks(audio, frontend.sample_rate_hz)
        wanted = options.fixed_samples(frontend.sample_rate_hz)
        if wanted is not None:
            blocks = [fixed_length(blocks, wanted, centred=options.centred)]
        stage = LogMel(frontend, audio.n_channels)
        # One dtype for all: float32, or float64 where it is power.
        found: list[NDArray[Any]] = [
            frames.values for samples in blocks for frames in stage.push(samples)
        ]
    if not found:
        raise SourceError(
            f"{path} is shorter than one frame of {frontend.longest_window_samples / frontend.sample_rate_hz:g} s"
        )
    values: NDArray[np.float32] | NDArray[np.float64] = np.concatenate(found)
    return values


def fixed_length(
    blocks: Iterable[NDArray[np.float32]], n_samples: int, *, centred: bool
) -> NDArray[np.float32]:
    """Cut or pad a signal with zeros, at the end or, centred, at both ends.

    Args:
        blocks: ``(samples, channels)`` each, at least one; taken no further than needed.
        n_samples: how many to return.
        centred: the odd sample goes to the end.

    Returns:
        ``(n_samples, channels)`` float32.
    """
    kept, n_kept = [], 0
    for samples in blocks:
        kept.append(samples)
        n_kept += len(samples)
        if n_kept >= n_samples and not centred:
            break
    whole = np.concatenate(kept)
    surplus = len(whole) - n_samples
    if surplus >= 0:
        start = surplus // 2 if centred else 0
        return whole[start : start + n_samples]
    before = -surplus // 2 if centred else 0
    return np.pad(whole, ((before, -surplus - before), (0, 0)))


def _blocks(audio: AudioFile | ContainerFile, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    resampler = Resampler(audio.sample_rate_hz, rate_hz, audio.n_channels)
    for block in audio.blocks():
        yield from resampler.push(sanitise(block.samples)[0])
    yield from resampler.flush()
    # A resampler may give nothing of a very short file; its end is then this, which is no frame either.
    yield np.empty((0, audio.n_channels), dtype=np.float32)
