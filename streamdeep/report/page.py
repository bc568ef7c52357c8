"""What was heard of a recording, as one HTML page that loads nothing from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep import __version__
from streamdeep.heads.settings import UNKNOWN
from streamdeep.pages.colours import GREY, colours_of
from streamdeep.pages.document import definitions, document
from streamdeep.pages.plane import BY_MODEL, plane
from streamdeep.pages.scatter import legend, svg
from streamdeep.pages.timeline import TimeAxis, clock
from streamdeep.report.listening import Listening
from streamdeep.report.overtime import timeline
from streamdeep.report.tables import accounts, sounds_told
from streamdeep.report.words import count, date


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
            *timeline(heard, axis, began_utc_ns=origin.began_utc_ns),
            *_map(heard),
            *sounds_told(heard),
            *accounts(heard),
            *_facts(heard, origin),
        ),
        broad=True,
    )


def _sentence(heard: Listening, origin: Origin) -> str:
    rate_hz, ledger = heard.sample_rate_hz, heard.ledger
    when = "" if origin.began_utc_ns is None else f", begun {date(origin.began_utc_ns)}"
    lost = "nothing was lost"
    if heard.n_losses:
        lost = (
            f"{count(heard.n_losses, 'loss', 'losses')} of together {heard.n_lost / rate_hz:,.3f} s"
        )
    sounds = (
        "no head gave labels"
        if heard.head is None
        else f"{count(heard.n_sounds, 'sound', 'sounds')} told"
    )
    return (
        f"{clock((heard.stop_sample - heard.first_sample) / rate_hz)} of sound{when}: "
        f"{count(ledger.embeddings, 'embedding', 'embeddings')}, {sounds}; {lost}."
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


def _facts(heard: Listening, origin: Origin) -> Iterator[str]:
    contract, head = heard.model.contract, heard.head
    config = contract.frontend
    hop_s = config.hop_samples / config.sample_rate_hz
    segment = heard.pipeline.segment
    length_s = config.span_samples(segment.length_frames) / config.sample_rate_hz
    pairs = [
        ("sound", origin.path),
        ("of", f"{heard.sample_rate_hz:,} Hz, {count(heard.n_channels, 'channel', 'channels')}"),
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
