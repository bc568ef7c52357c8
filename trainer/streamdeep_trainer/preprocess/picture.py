"""One clip as a picture: its spectrogram over seconds and Hz, and how often each level occurs.

To choose clips, floors and ceilings by. The histogram shows levels before they are clipped, with lines where
the options clip. Not here: which clip, and the values that are written (``compute``).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig, SegmentLevel
from streamdeep.frontend.mel import band_centres_hz
from streamdeep.frontend.normalise import SILENCE_POWER, relative_db
from streamdeep_trainer.preprocess.compute import values_of
from streamdeep_trainer.preprocess.options import PreprocessOptions

_MEL_LINEAR_HZ = 1000.0  # both Mel scales are about linear below and logarithmic above
_LOWEST_DBFS = -160.0


def decibels_of(
    path: Path, options: PreprocessOptions, *, frontend: FrontendConfig
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """All frames of a file in dB, unclipped, and between which levels the options look.

    Returns:
        ``(frames, bands)`` float64: dB below the file's maximum for ``segment`` levels, dBFS for ``fixed``
        ones; then the lowest and highest level that is kept. Silence is the lowest level everywhere.

    Raises:
        SourceError: as :func:`streamdeep_trainer.preprocess.compute.values_of`.
    """
    view = frontend.views[0].model_copy(update={"level": SegmentLevel()})
    power = values_of(path, options, frontend=frontend.model_copy(update={"views": (view,)}))
    power = power.astype(np.float64)
    if options.normaliser == "fixed":
        lowest_power = 10.0 ** (_LOWEST_DBFS / 10.0)
        db: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, lowest_power))
        return db, (options.floor_db, options.ceiling_db)
    relative = relative_db(power, SegmentLevel())
    if relative is None:
        relative = np.full(power.shape, 10.0 * np.log10(SILENCE_POWER))
    below, above = options.clip_below_db, options.clip_above_db
    lowest = float(relative.min()) if below is None else below
    return relative, (lowest, 0.0 if above is None else above)


def draw_clip(
    path: Path,
    sound: Path,
    options: PreprocessOptions,
    *,
    frontend: FrontendConfig,
    title: str,
) -> None:
    """Write a PNG.

    Args:
        path: where to.
        sound: the sound file.
        options: what is made of it.
        frontend: ``options.frontend`` at the data set's rate.
        title: above the picture.

    Raises:
        SourceError: the sound cannot be read.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    db, (lowest, highest) = decibels_of(sound, options, frontend=frontend)
    view, rate_hz = frontend.views[0], frontend.sample_rate_hz
    hop_s = frontend.hop_samples / rate_hz
    times_s = view.window_samples / rate_hz / 2.0 + hop_s * np.arange(len(db), dtype=np.float64)
    unit = "dBFS" if options.normaliser == "fixed" else "dB below the maximum"
    # Not pyplot: it would look for a screen.
    figure = Figure(figsize=(10.0, 8.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, height_ratios=(2, 1))
    mesh = upper.pcolormesh(
        _edges(times_s, hop_s),
        _edges(band_centres_hz(view, rate_hz), rate_hz / 2.0),
        np.clip(db, lowest, highest).T,
        vmin=lowest,
        vmax=max(highest, lowest + 1e-3),
        cmap="magma",
    )
    if view.n_bands is not None:
        upper.set_yscale("symlog", linthresh=_MEL_LINEAR_HZ)
        ticks = [hz for hz in (0, 250, 500, 1000, 2000, 4000, 8000, 16000) if hz <= rate_hz / 2]
        upper.set_yticks(ticks, [str(hz) for hz in ticks])
    upper.set_ylim(0.0, rate_hz / 2.0)
    upper.set_xlabel("time in s")
    upper.set_ylabel("frequency in Hz")
    upper.set_title(title.replace("$", r"\$"))
    figure.colorbar(mesh, ax=upper, label=unit)
    lower.hist(db.ravel(), bins=120, color="#0072b2")
    for level in (lowest, highest):
        lower.axvline(level, color="#d55e00")
    lower.set_xlabel(f"level in {unit}; between the lines it is kept")
    lower.set_ylabel("values")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")


def _edges(centres: NDArray[np.float64], alone: float) -> NDArray[np.float64]:
    """Borders half way between centres, and as far beyond the outer ones; of one centre, ``alone`` wide."""
    if len(centres) == 1:
        return np.array([centres[0] - alone / 2.0, centres[0] + alone / 2.0])
    middle = (centres[1:] + centres[:-1]) / 2.0
    first, last = 2.0 * centres[0] - middle[0], 2.0 * centres[-1] - middle[-1]
    return np.concatenate(([first], middle, [last]))
