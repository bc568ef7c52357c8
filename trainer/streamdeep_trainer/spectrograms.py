"""Clips to frames, through the very stage that the engine runs, kept in one netCDF file.

Frames are kept in dB over a range so wide (-160 to +40 dB) that levels can still be learnt and gains
shifted; to the encoder's input is one affine map and a clip away (``levels``). Clips have different
lengths, so their frames lie one after the other. Frames that were prepared before are the encoder's input
already, which they say. Not here: crops, what is learnt from the frames, and files of prepared rows (``inputs``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.file import open_audio
from streamdeep.config import FrontendConfig, Level
from streamdeep.errors import SourceError
from streamdeep.frontend.damage import sanitise
from streamdeep.frontend.logmel import warm_up
from streamdeep.pipeline import FrameStage, check_source
from streamdeep.records import Frames
from streamdeep_trainer.config import STORED_CEILING_DB, STORED_FLOOR_DB
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.netcdf import (
    clip_arrays,
    clips_from,
    read_netcdf,
    versions,
    write_netcdf,
)
from streamdeep_trainer.parts import Parts, read_part, write_part
from streamdeep_trainer.progress import track
from streamdeep_trainer.skipped import UNUSABLE, reason_of
from streamdeep_trainer.writing import writing

KIND = "spectrograms"


@dataclass(frozen=True, slots=True, eq=False)
class Spectrograms:
    """The frames of a data set.

    Attributes:
        clips: one per clip that could be read; of prepared rows one per row, so that names may repeat.
        lengths: ``(clips,)`` int64, frames of each; at least 1.
        values: ``(frames, features)`` float32, all clips one after the other; dB, unless ``applied`` says else.
        energies: ``(frames,)`` float64, mean square of each frame's newest hop of samples; None of prepared rows.
        frontend: what computed them, over the stored range.
        skipped: filename and reason of every clip that could not be read.
        applied: the level treatment that has made the values the encoder's input; None where they are dB.
    """

    clips: tuple[Clip, ...]
    lengths: NDArray[np.int64]
    values: NDArray[np.float32]
    energies: NDArray[np.float64] | None
    frontend: FrontendConfig
    skipped: tuple[tuple[str, str], ...] = ()
    applied: Level | None = None

    @property
    def starts(self) -> NDArray[np.int64]:
        """``(clips,)`` int64, row of each clip's first frame."""
        return np.concatenate(([0], np.cumsum(self.lengths)[:-1])).astype(np.int64)

    def only(self, rows: NDArray[np.int64]) -> "Spectrograms":
        """The same of some clips, in this order."""
        starts = self.starts
        frames = np.concatenate(
            [np.arange(starts[row], starts[row] + self.lengths[row]) for row in rows]
        )
        return replace(
            self,
            clips=tuple(self.clips[row] for row in rows),
            lengths=self.lengths[rows],
            values=self.values[frames],
            energies=None if self.energies is None else self.energies[frames],
        )


def frames_of(path: Path, config: FrontendConfig) -> Frames:
    """All frames of a sound file, sanitised and resampled as the engine does it.

    Raises:
        SourceError: not audio, broken off, or shorter than one frame.
        ConfigurationError: a rate or a number of channels that the engine does not take.
    """
    with open_audio(path) as audio:
        check_source(audio.sample_rate_hz, audio.n_channels)
        stage = FrameStage(config, audio.sample_rate_hz, audio.n_channels)
        found = [
            record for block in audio.blocks() for record in stage.push(sanitise(block.samples)[0])
        ]
        found += stage.flush()
    if not found:
        raise SourceError(
            f"{path} is shorter than one frame of {config.longest_window_samples / config.sample_rate_hz:g} s"
        )
    return Frames(
        np.concatenate([record.values for record in found]),
        0,
        np.concatenate([record.energies for record in found]),
        np.concatenate([record.peaks for record in found]),
    )


def make_spectrograms(
    clips: Sequence[Clip], frontend: FrontendConfig, *, parts: Parts | None = None
) -> Spectrograms:
    """Compute the frames of a data set; 13 ms per clip of ESC-10, measured on a shared core.

    Args:
        clips: those that cannot be read are skipped and listed.
        frontend: over the stored range, see :meth:`FrontendRecipe.stored`.
        parts: open; what is finished is kept there and taken from there.

    Raises:
        SourceError: not one clip can be read.
        ConfigurationError: there is no room for parts.
    """
    warm_up(frontend)
    kept, levels, energies, skipped = [], [], [], []
    for clip in track(clips, len(clips), "spectrograms"):
        part = read_part(parts.path_of(clip)) if parts is not None else None
        if part is None:
            try:
                part = _decibels(frames_of(clip.path, frontend))
            except UNUSABLE as error:
                skipped.append((clip.filename, reason_of(clip.path, error)))
                continue
            if parts is not None:
                with writing(parts.path_of(clip)):
                    write_part(parts.path_of(clip), **part)
        kept.append(clip)
        levels.append(part["decibels"])
        energies.append(part["energies"])
    if not kept:
        raise SourceError(
            f"none of the {len(clips)} clips can be read; the first: {skipped[0][1]}"
            if skipped
            else "there are no clips"
        )
    return Spectrograms(
        clips=tuple(kept),
        lengths=np.array([len(values) for values in levels], dtype=np.int64),
        values=np.concatenate(levels),
        energies=np.concatenate(energies),
        frontend=frontend,
        skipped=tuple(skipped),
    )


def _decibels(frames: Frames) -> dict[str, NDArray[Any]]:
    """What is kept of a clip's frames."""
    span = (STORED_CEILING_DB - STORED_FLOOR_DB) / 2.0
    decibels = (frames.values + 1.0) * span + STORED_FLOOR_DB
    return {"decibels": decibels.astype(np.float32), "energies": frames.energies}


def save_spectrograms(path: Path, spectrograms: Spectrograms) -> None:
    """Write those that are dB, with everything needed to know what they are."""
    if spectrograms.applied is not None or spectrograms.energies is None:
        raise ValueError("prepared rows have a file already")
    arrays: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        **clip_arrays(spectrograms.clips),
        "length": (("clip",), spectrograms.lengths),
        "decibels": (("frame", "feature"), spectrograms.values),
        "energy": (("frame",), spectrograms.energies),
    }
    attributes = {
        "frontend": spectrograms.frontend.model_dump(mode="json"),
        "skipped": spectrograms.skipped,
        "versions": versions(),
    }
    write_netcdf(path, arrays, kind=KIND, attributes=attributes)


def load_spectrograms(path: Path) -> Spectrograms:
    """Read them again; the inverse of :func:`save_spectrograms`, except for where the clips lay."""
    arrays, attributes = read_netcdf(path, KIND)
    return Spectrograms(
        clips=clips_from(arrays),
        lengths=arrays["length"].astype(np.int64),
        values=arrays["decibels"],
        energies=arrays["energy"],
        frontend=FrontendConfig.model_validate(attributes["frontend"]),
        skipped=tuple((name, reason) for name, reason in attributes["skipped"]),
    )
