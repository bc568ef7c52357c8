"""What systems of others are made of: the decibels of whole clips, or segments as an encoder would see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import SourceError
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.levels import input_of, levels_of
from streamdeep_trainer.spans import segment_spans
from streamdeep_trainer.spectrograms import Spectrograms


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Segments of all clips.

    Attributes:
        segments: ``(time, features)`` float32 in [-1, 1] each, in the order of the clips.
        clip_rows: ``(segments,)`` int64, each one's clip.
        heard: ``(segments,)`` bool, which may be learnt from.
        frames_per_s: of sound.
        segments_per_s: likewise, where they follow each other without overlap.
    """

    segments: list[NDArray[np.float32]]
    clip_rows: NDArray[np.int64]
    heard: NDArray[np.bool_]
    frames_per_s: float
    segments_per_s: float

    @property
    def heard_segments(self) -> list[NDArray[np.float32]]:
        """Those that may be learnt from."""
        return [self.segments[row] for row in np.flatnonzero(self.heard)]


def decibels_of(
    clips: Sequence[Clip], recipe: Recipe, spectra: Spectra
) -> list[NDArray[np.float32]]:
    """``(time, bands)`` of every clip, in this order.

    Raises:
        SourceError: a clip cannot be read.
    """
    made = _of(clips, recipe, spectra)
    ends = made.starts + made.lengths
    return [made.values[start:end] for start, end in zip(made.starts, ends, strict=True)]


def material_of(
    clips: Sequence[Clip], heard: NDArray[np.bool_], recipe: Recipe, spectra: Spectra
) -> Material:
    """Segments by a recipe's front-end, with levels that are learnt from the clips that may be heard.

    Raises:
        SourceError: a clip cannot be read.
    """
    made = _of(clips, recipe, spectra)
    segment = recipe.segment.config(made.frontend)
    levels = levels_of(made.only(np.flatnonzero(heard)), recipe.frontend)
    segments, rows = [], []
    for row, (start, length) in enumerate(zip(made.starts, made.lengths, strict=True)):
        for first, last in segment_spans(int(length), segment):
            frames = slice(start + first, start + last)
            segments.append(input_of(made, frames, levels, recipe.frontend))
            rows.append(row)
    clip_rows = np.array(rows, dtype=np.int64)
    frames_per_s = made.frontend.sample_rate_hz / made.frontend.hop_samples
    segments_per_s = frames_per_s / segment.length_frames
    return Material(segments, clip_rows, heard[clip_rows], frames_per_s, segments_per_s)


def _of(clips: Sequence[Clip], recipe: Recipe, spectra: Spectra) -> Spectrograms:
    made = spectra.of(recipe)
    places = {clip.filename: place for place, clip in enumerate(made.clips)}
    for clip in clips:
        if clip.filename not in places:
            raise SourceError(f"{clip.filename} cannot be read; take it out of the data")
    return made.only(np.array([places[clip.filename] for clip in clips], dtype=np.int64))
