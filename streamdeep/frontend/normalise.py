"""Level treatment: from power to what the encoder eats.

``fixed`` is causal: a frame's values depend on that frame alone. ``segment`` is auDeep's and needs all
frames of a segment, or of a file, before it can say anything.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig, SegmentLevel
from streamdeep.frontend.kernels.levels import fixed_level

SILENCE_POWER = 1e-12
"""-120 dBFS in the loudest band: below it there is nothing but rounding noise to stretch."""


def fixed_frames(power: NDArray[np.float64], config: FrontendConfig) -> NDArray[np.float32]:
    """Normalise frames one by one, for a configuration whose views are all ``fixed``.

    Args:
        power: ``(frames, features)`` float64.
        config: must be causal.

    Returns:
        ``(frames, features)`` float32 in [-1, 1]; silence is -1.
    """
    floors_db = np.empty(config.n_features)
    ceilings_db = np.empty(config.n_features)
    column = 0
    for view in config.views:
        assert view.level.kind == "fixed"
        floors_db[column : column + view.width] = view.level.floor_db
        ceilings_db[column : column + view.width] = view.level.ceiling_db
        column += view.width
    values = np.empty(power.shape, dtype=np.float32)
    fixed_level(power, floors_db, ceilings_db, values)
    return values


def relative_db(power: NDArray[np.float64], level: SegmentLevel) -> NDArray[np.float64] | None:
    """Decibels below the largest value, zeros as the smallest positive value, clipped.

    auDeep's order (its ``preprocessing.py``): smallest positive power as floor, dB against the maximum,
    clip below, clip above. Both extremes are taken over all that is given.

    Args:
        power: ``(frames, bands)`` float64 of one view.
        level: the clips.

    Returns:
        ``(frames, bands)`` float64 dB, or None for silence.
    """
    loudest = power.max(initial=0.0)
    if loudest < SILENCE_POWER:
        return None
    floor = power.min(where=power > 0.0, initial=np.inf)
    db: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, floor) / loudest)
    clipped: NDArray[np.float64] = np.clip(db, level.clip_below_db, level.clip_above_db)
    return clipped


def stretch(db: NDArray[np.float64] | None, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Stretch to exactly [-1, 1]; silence, and anything flat to 1e-4 dB, is -1 everywhere.

    auDeep gives 0 for flat chunks and stops at silent files; a quiet chunk is not mid-range.
    """
    if db is None or db.max() - db.min() <= 1e-4:
        return np.full(shape, -1.0)
    stretched: NDArray[np.float64] = 2.0 * (db - db.min()) / (db.max() - db.min()) - 1.0
    return stretched


def segments(
    power: NDArray[np.float64],
    starts: NDArray[np.int64],
    length_frames: int,
    config: FrontendConfig,
) -> NDArray[np.float32]:
    """Normalise whole segments, for any configuration.

    Args:
        power: ``(frames, features)`` float64; all frames of the file where a view's scope is ``file``.
        starts: ``(segments,)`` first frame of each segment.
        length_frames: frames per segment; all must lie within ``power``.
        config: the views and their levels.

    Returns:
        ``(segments, length_frames, features)`` float32 in [-1, 1].
    """
    values = np.empty((len(starts), length_frames, config.n_features), dtype=np.float32)
    column = 0
    for view in config.views:
        columns = slice(column, column + view.width)
        column += view.width
        whole = power[:, columns]
        file_db = None
        if view.level.kind == "segment" and view.level.scope == "file":
            file_db = relative_db(whole, view.level)
        for row, start in enumerate(starts):
            stop = start + length_frames
            shape = (length_frames, view.width)
            if view.level.kind == "fixed":
                alone = (
                    np.full(view.width, view.level.floor_db),
                    np.full(view.width, view.level.ceiling_db),
                )
                treated = np.empty(shape, dtype=np.float32)
                fixed_level(np.ascontiguousarray(whole[start:stop]), *alone, treated)
                values[row, :, columns] = treated
            elif view.level.scope == "file":
                values[row, :, columns] = stretch(
                    None if file_db is None else file_db[start:stop], shape
                )
            else:
                values[row, :, columns] = stretch(relative_db(whole[start:stop], view.level), shape)
    return values
