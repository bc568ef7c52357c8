"""What was heard over time: rows that share one axis, each a picture, bars or lines."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from streamdeep.frontend.mel import band_centres_hz
from streamdeep.pages.colours import alpha_palette, colours_of, heat_palette
from streamdeep.pages.png import data_address, png
from streamdeep.pages.timeline import TimeAxis, bars, clock, lines, picture
from streamdeep.records import Sound
from streamdeep.report.listening import SOUNDS_MOST, Listening
from streamdeep.report.strip import Strip
from streamdeep.report.words import bounded, by_length, date

_ROWS_MOST: Final = 24
_TICKS_HZ: Final = (60, 125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
_HEAT_ROW: Final = 14
_ACCENT: Final = "#2f7fe0"


def timeline(heard: Listening, axis: TimeAxis, *, began_utc_ns: int | None) -> Iterator[str]:
    """All rows, one below the other, as HTML.

    Args:
        heard: what is shown.
        axis: the time that all rows share.
        began_utc_ns: Unix time at its left edge, if it is known.
    """
    zero = "the first sample"
    if began_utc_ns is not None:
        zero = date(began_utc_ns)
    lost = " Coloured stretches from top to bottom: samples that are missing." if axis.lost else ""
    yield "<h2>Over time</h2>"
    yield f'<p class="note">0:00 is {zero}.{lost}</p>'
    yield "<h3>Spectrum</h3>"
    yield from _spectrum(heard, axis)
    yield "<h3>Level</h3>"
    yield from _level(heard, axis)
    if heard.head is not None:
        yield "<h3>Sounds</h3>"
        yield from _bars(heard, axis)
        yield "<h3>Probabilities</h3>"
        yield from _chances(heard, axis)
    if heard.novelty is not None:
        yield "<h3>Novelty</h3>"
        yield from _novelty(heard, axis, heard.novelty)


def _spectrum(heard: Listening, axis: TimeAxis) -> Iterator[str]:
    view, config = heard.model.contract.frontend.views[0], heard.model.contract.frontend
    levels = heard.spectrum.largest()
    known = levels[np.isfinite(levels)]
    low, high = (float(value) for value in np.quantile(known, (0.05, 0.999)))
    high = max(high, low + 1.0)
    shares = np.clip((levels - low) / (high - low), 0.0, 1.0)
    indices = np.where(np.isfinite(shares), 1 + np.round(254.0 * shares), 0.0).astype(np.uint8)
    centres = band_centres_hz(view, config.sample_rate_hz)
    ticks = [
        ((float(np.searchsorted(centres, hz)) + 0.5) / len(centres), _hertz(hz))
        for hz in _TICKS_HZ
        if centres[0] <= hz <= centres[-1]
    ]
    apart: list[tuple[float, str]] = []
    for tick in ticks:
        if not apart or tick[0] - apart[-1][0] > 0.05:
            apart.append(tick)
    yield picture(
        axis,
        data_address(png(indices.T[::-1], heat_palette())),
        start_sample=heard.spectrum.first_sample,
        stop_sample=heard.spectrum.stop_sample,
        height=200.0,
        ticks=apart,
        label="levels of the bands over time",
    )
    yield (
        f'<p class="note">{view.width} bands of the model\'s own frames, dark to bright from {low:.0f} to {high:.0f} dB. '
        f"{_per_column(heard.spectrum, heard.sample_rate_hz, 'the loudest of its frames')}</p>"
    )


def _level(heard: Listening, axis: TimeAxis) -> Iterator[str]:
    means, largest = heard.loudness.means(), heard.loudness.largest()
    mean_db = 10.0 * np.log10(np.maximum(means[:, 0], 1e-10))
    peak_db = 20.0 * np.log10(np.maximum(largest[:, 1], 1e-5))
    yield lines(
        axis,
        (("c1", peak_db), ("c0", mean_db)),
        start_sample=heard.loudness.first_sample,
        column_samples=heard.loudness.column_samples,
        low=-100.0,
        high=0.0,
        label="level over time",
        unit="dBFS",
    )
    yield (
        '<p class="note"><span class="key c0"></span>mean square <span class="key c1"></span>largest magnitude. '
        f"{_per_column(heard.loudness, heard.sample_rate_hz, 'mean and largest of its samples')}</p>"
    )


def _bars(heard: Listening, axis: TimeAxis) -> Iterator[str]:
    assert heard.head is not None
    if not heard.sounds:
        yield '<p class="note">No class was sure enough to be told.</p>'
        return
    colours = colours_of(heard.head.contract.labels)
    rows = [
        (
            label,
            colours[label],
            [
                (sound.start_sample, sound.stop_sample, _say(heard, sound))
                for sound in heard.sounds
                if sound.label == label
            ],
        )
        for label, _ in by_length(heard.sounds)[:_ROWS_MOST]
    ]
    yield bars(axis, rows, label="sounds told over time")
    left_out = len({sound.label for sound in heard.sounds}) - len(rows)
    settings = heard.settings
    off = "0.7 of that" if settings.off is None else f"{settings.off:g}"
    yield (
        '<p class="note">As <code>streamdeep classify</code> decides: '
        f"mean over {settings.smoothing_s:g} s, on at {settings.on:g}, off below {off}."
        + (f" {left_out} classes of shorter sounds are not drawn." if left_out else "")
        + (bounded("sounds", SOUNDS_MOST) if heard.n_sounds > SOUNDS_MOST else "")
        + "</p>"
    )


def _chances(heard: Listening, axis: TimeAxis) -> Iterator[str]:
    assert heard.head is not None
    assert heard.chances is not None
    labels, strip = heard.head.contract.labels, heard.chances
    values = strip.largest()
    order = np.arange(len(labels))
    if len(labels) > _ROWS_MOST:
        order = np.sort(np.argsort(-np.nansum(values, axis=0), kind="stable")[:_ROWS_MOST])
    chosen = values[:, order]
    indices = np.where(np.isfinite(chosen), np.round(255.0 * chosen), 0.0).astype(np.uint8)
    height = float(_HEAT_ROW * len(order))
    yield picture(
        axis,
        data_address(png(indices.T, alpha_palette(_ACCENT))),
        start_sample=strip.first_sample,
        stop_sample=strip.stop_sample,
        height=height,
        ticks=[
            (1.0 - (place + 0.5) / len(order), _shortened(labels[column]))
            for place, column in enumerate(order)
        ],
        label="probability of each class over time",
    )
    some = "" if len(order) == len(labels) else f" {len(order)} of {len(labels)} classes."
    yield (
        '<p class="note">Of single segments, not smoothed, at their centres: nothing is 0, full colour is 1.'
        f"{some} {_per_column(strip, heard.sample_rate_hz, 'the highest of its segments')}</p>"
    )


def _novelty(heard: Listening, axis: TimeAxis, strip: Strip) -> Iterator[str]:
    statistics = heard.model.contract.statistics
    assert statistics is not None
    values = strip.largest()[:, 0]
    quantiles = dict(
        zip(statistics.novelty_probabilities, statistics.novelty_quantiles, strict=True)
    )
    limit = quantiles.get(0.99)
    most = max(float(np.nanmax(values)), limit or 0.0)
    yield lines(
        axis,
        (("c0", values),),
        start_sample=strip.first_sample,
        column_samples=strip.column_samples,
        low=0.0,
        high=float(np.ceil(most * 1.1 * 2.0) / 2.0),
        label="novelty over time",
        unit="",
        limit=limit,
    )
    yield (
        '<p class="note">How far each segment lies from the training data, in its standard deviations. '
        f"{'' if limit is None else 'Dashed: 99 % of the training data lies below. '}"
        f"{_per_column(strip, heard.sample_rate_hz, 'the highest of its segments')}</p>"
    )


def _say(heard: Listening, sound: Sound) -> str:
    rate_hz = heard.sample_rate_hz
    begins = clock((sound.start_sample - heard.first_sample) / rate_hz, 0.1)
    return f"{sound.label}, {begins}, {sound.n_samples / rate_hz:.1f} s, confidence {sound.confidence:.2f}"


def _per_column(strip: Strip, rate_hz: int, what: str) -> str:
    counts = strip.counts()
    together = int(counts.max()) if len(counts) else 1
    if together < 2:
        return ""
    return f"A column is {strip.column_samples / rate_hz:,.3g} s: {what}."


def _hertz(hz: int) -> str:
    return f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz"


def _shortened(label: str) -> str:
    return label if len(label) <= 17 else label[:16] + "…"
