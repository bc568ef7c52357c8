"""What was heard of a recording, as one HTML page that loads nothing from elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamdeep import __version__
from streamdeep.frontend.mel import band_centres_hz
from streamdeep.heads.settings import UNKNOWN
from streamdeep.pages.colours import GREY, alpha_palette, colours_of, heat_palette
from streamdeep.pages.document import definitions, document, table
from streamdeep.pages.plane import BY_MODEL, plane
from streamdeep.pages.png import data_address, png
from streamdeep.pages.scatter import legend, svg
from streamdeep.pages.timeline import TimeAxis, bars, clock, lines, picture
from streamdeep.records import Sound
from streamdeep.report.listening import LOSSES_MOST, SOUNDS_MOST, Listening
from streamdeep.report.strip import Strip

_ROWS_MOST: Final = 24
_LISTED_MOST: Final = 100
_TICKS_HZ: Final = (60, 125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
_HEAT_ROW: Final = 14
_ACCENT: Final = "#2f7fe0"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the sound comes from.

    Attributes:
        name: of the stream or file.
        path: where it lies.
        source: what was recorded, if it is a recording.
        began_utc_ns: when, Unix time; None if nobody knows.
        ended: how the recording ends, if it is one.
        head_name: file of the head, for people.
        model_name: file of the model.
    """

    name: str
    path: str
    source: str = ""
    began_utc_ns: int | None = None
    ended: str = ""
    head_name: str = ""
    model_name: str = ""


def summary(heard: Listening, origin: Origin) -> dict[str, Any]:
    """The numbers of the page, for programs."""
    ledger, head = heard.ledger, heard.head
    rate_hz = heard.sample_rate_hz
    return {
        "name": origin.name,
        "path": origin.path,
        "began_utc_ns": origin.began_utc_ns,
        "sample_rate_hz": rate_hz,
        "n_channels": heard.n_channels,
        "duration_s": round((heard.stop_sample - heard.first_sample) / rate_hz, 6),
        "captured": ledger.captured,
        "embedded": ledger.embedded,
        "skipped": ledger.skipped,
        "dropped": ledger.dropped,
        "in_flight": ledger.in_flight,
        "gap_samples": ledger.gap_samples,
        "nonfinite_samples": ledger.nonfinite_samples,
        "clipped_samples": ledger.clipped_samples,
        "embeddings": ledger.embeddings,
        "epochs": ledger.epochs,
        "losses": heard.n_losses,
        "sounds": heard.n_sounds,
        "model": heard.model.digest.hex(),
        "head": None if head is None else head.digest.hex(),
    }


def page(heard: Listening, origin: Origin) -> str:
    """The whole file; equal for equal sound, whenever it is made."""
    axis = TimeAxis(
        heard.first_sample,
        max(heard.stop_sample, heard.first_sample + 1),
        heard.sample_rate_hz,
        [(loss.start_sample, loss.start_sample + loss.n_samples) for loss in heard.losses],
    )
    return document(
        f"streamdeep report: {origin.name}",
        (
            f"<h1>What was heard of {escape(origin.name)}</h1>",
            f'<p class="sentence">{escape(_sentence(heard, origin))}</p>',
            *_timeline(heard, axis, origin),
            *_map(heard),
            *_sounds(heard),
            *_accounts(heard),
            *_facts(heard, origin),
        ),
        broad=True,
    )


def _sentence(heard: Listening, origin: Origin) -> str:
    rate_hz, ledger = heard.sample_rate_hz, heard.ledger
    when = "" if origin.began_utc_ns is None else f", begun {_date(origin.began_utc_ns)}"
    lost = "nothing was lost"
    if heard.n_losses:
        lost = f"{_count(heard.n_losses, 'loss', 'losses')} of together {heard.n_lost / rate_hz:,.3f} s"
    sounds = (
        "no head gave labels"
        if heard.head is None
        else f"{_count(heard.n_sounds, 'sound', 'sounds')} told"
    )
    return (
        f"{clock((heard.stop_sample - heard.first_sample) / rate_hz)} of sound{when}: "
        f"{_count(ledger.embeddings, 'embedding', 'embeddings')}, {sounds}; {lost}."
    )


def _timeline(heard: Listening, axis: TimeAxis, origin: Origin) -> Iterator[str]:
    zero = "the first sample"
    if origin.began_utc_ns is not None:
        zero = _date(origin.began_utc_ns)
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
        for label, _ in _by_length(heard.sounds)[:_ROWS_MOST]
    ]
    yield bars(axis, rows, label="sounds told over time")
    left_out = len({sound.label for sound in heard.sounds}) - len(rows)
    settings = heard.settings
    off = "0.7 of that" if settings.off is None else f"{settings.off:g}"
    yield (
        '<p class="note">As <code>streamdeep classify</code> decides: '
        f"mean over {settings.smoothing_s:g} s, on at {settings.on:g}, off below {off}."
        + (f" {left_out} classes of shorter sounds are not drawn." if left_out else "")
        + (_bounded("sounds", SOUNDS_MOST) if heard.n_sounds > SOUNDS_MOST else "")
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


def _map(heard: Listening) -> Iterator[str]:
    points = heard.points.things
    vectors = np.stack([point.vector for point in points])
    places: NDArray[np.float64] = vectors.astype(np.float64)
    axes = BY_MODEL
    if heard.model.contract.projection is None:
        places, axes = plane(vectors, None)
    classes = [point.label for point in points]
    labels = () if heard.head is None else heard.head.contract.labels
    colours = {**colours_of(labels), UNKNOWN: GREY}
    colours = {label: colour for label, colour in colours.items() if label in set(classes)}
    rate_hz = heard.sample_rate_hz
    names = [clock((point.start_sample - heard.first_sample) / rate_hz) for point in points]
    every = heard.points.every
    yield "<h2>Map</h2>"
    yield (
        f'<p class="note">Each dot is an embedding, coloured by what was heard when its segment ended. {axes}'
        + (f" One embedding in {every} is drawn." if every > 1 else "")
        + "</p>"
    )
    yield svg(
        places, names=names, classes=classes, colours=colours, label="map of embeddings", radius=4.0
    )
    yield legend(classes, colours)


def _sounds(heard: Listening) -> Iterator[str]:
    if heard.head is None or not heard.sounds:
        return
    rate_hz = heard.sample_rate_hz
    yield "<h2>Sounds</h2>"
    yield table(
        ("class", "sounds", "together", "mean confidence"),
        [
            (label, f"{len(found):,}", clock(length / rate_hz, 0.1), f"{_confidence(found):.2f}")
            for label, length in _by_length(heard.sounds)
            for found in [[sound for sound in heard.sounds if sound.label == label]]
        ],
    )
    listed = heard.sounds[:_LISTED_MOST]
    yield "<h3>One by one</h3>"
    if heard.n_sounds > len(listed):
        yield f'<p class="note">The first {len(listed)} of {heard.n_sounds:,}, as they ended.</p>'
    yield table(
        ("sound", "begins", "lasts", "confidence", ""),
        [
            (
                sound.label,
                clock((sound.start_sample - heard.first_sample) / rate_hz, 0.1),
                f"{sound.n_samples / rate_hz:.1f} s",
                f"{sound.confidence:.2f}",
                f"cut off: {sound.reason}" if sound.reason else "",
            )
            for sound in listed
        ],
    )


def _accounts(heard: Listening) -> Iterator[str]:
    ledger, rate_hz = heard.ledger, heard.sample_rate_hz

    def row(name: str, n_samples: int, meaning: str) -> tuple[str, str, str, str]:
        return name, f"{n_samples:,}", f"{n_samples / rate_hz:,.3f} s", meaning

    dropped = sum(ledger.dropped.values())
    whole = ledger.captured == ledger.embedded + ledger.skipped + dropped + ledger.in_flight
    yield "<h2>Where every sample is</h2>"
    yield table(
        ("", "samples", "time", ""),
        [
            row("captured", ledger.captured, "all that came; the sum of the next rows"),
            row("embedded", ledger.embedded, "in at least one embedding"),
            row("skipped", ledger.skipped, "between segments, or an end too short for a frame"),
            *(
                row(f"dropped: {reason}", count, "in no embedding")
                for reason, count in sorted(ledger.dropped.items())
            ),
            row("in flight", ledger.in_flight, "taken up, and not embedded yet"),
            row("gaps", ledger.gap_samples, "never captured; beside the sum"),
            row("not finite", ledger.nonfinite_samples, "replaced before anything saw them"),
            row("clipped", ledger.clipped_samples, "at full scale or beyond"),
        ],
    )
    yield (
        f'<p class="note">{ledger.embeddings:,} embeddings in {_count(ledger.epochs, "epoch", "epochs")}; '
        + ("the account is whole." if whole else "SAMPLES ARE MISSING FROM THE ACCOUNT: a bug.")
        + "</p>"
    )
    if not heard.losses:
        return
    listed = heard.losses[:_LISTED_MOST]
    yield "<h3>Losses</h3>"
    if heard.n_losses > len(listed):
        yield f'<p class="note">The first {len(listed)} of {heard.n_losses:,}.</p>'
    if heard.n_losses > LOSSES_MOST:
        yield f'<p class="note">{_bounded("losses", LOSSES_MOST)}</p>'
    yield table(
        ("at", "samples", "time", "never captured", ""),
        [
            (
                clock((loss.start_sample - heard.first_sample) / rate_hz, 0.1),
                f"{loss.n_samples:,}",
                f"{loss.n_samples / rate_hz:,.3f} s",
                f"{'about ' if loss.estimated else ''}{loss.gap_samples:,}",
                "" if loss.gap_samples == loss.n_samples else f"the others: {loss.reason}",
            )
            for loss in listed
        ],
    )


def _facts(heard: Listening, origin: Origin) -> Iterator[str]:
    contract, head = heard.model.contract, heard.head
    config = contract.frontend
    hop_s = config.hop_samples / config.sample_rate_hz
    segment = heard.pipeline.segment
    length_s = config.span_samples(segment.length_frames) / config.sample_rate_hz
    pairs = [
        ("sound", origin.path),
        ("of", f"{heard.sample_rate_hz:,} Hz, {_count(heard.n_channels, 'channel', 'channels')}"),
        (
            "samples",
            f"{heard.first_sample:,} to {heard.stop_sample:,} of the source",
        ),
        (
            "model",
            f"{contract.name}, {origin.model_name}: {length_s:g} s every {segment.hop_frames * hop_s:g} s; "
            f"{heard.model.digest.hex()}",
        ),
        (
            "head",
            "none that belongs to this model"
            if head is None
            else f"{head.name}, {origin.head_name}: {len(head.contract.labels)} classes; {head.digest.hex()}",
        ),
        ("made by", f"streamdeep {__version__}"),
    ]
    if origin.source:
        pairs.insert(1, ("recorded from", origin.source))
    if origin.ended:
        pairs.insert(2, ("its end", origin.ended))
    yield "<h2>Besides</h2>"
    yield definitions(pairs)


def _by_length(sounds: Sequence[Sound]) -> list[tuple[str, int]]:
    """Labels and how many samples their sounds last, the longest first."""
    lengths: dict[str, int] = {}
    for sound in sounds:
        lengths[sound.label] = lengths.get(sound.label, 0) + sound.n_samples
    return sorted(lengths.items(), key=lambda item: (-item[1], item[0]))


def _confidence(sounds: Sequence[Sound]) -> float:
    return float(np.mean([sound.confidence for sound in sounds]))


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


def _bounded(what: str, most: int) -> str:
    return f" Only the first {most:,} {what} are drawn and listed."


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _date(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _hertz(hz: int) -> str:
    return f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz"


def _shortened(label: str) -> str:
    return label if len(label) <= 17 else label[:16] + "…"
