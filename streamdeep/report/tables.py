"""Tables of a page: sounds, where every sample is, losses."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from streamdeep.pages.document import table
from streamdeep.pages.timeline import clock
from streamdeep.records import Sound
from streamdeep.report.listening import LOSSES_MOST, Listening
from streamdeep.report.words import bounded, by_length, count

_LISTED_MOST: Final = 100


def sounds_told(heard: Listening) -> Iterator[str]:
    """Sounds by class, and one by one, as HTML."""
    if heard.head is None or not heard.sounds:
        return
    rate_hz = heard.sample_rate_hz
    yield "<h2>Sounds</h2>"
    yield table(
        ("class", "sounds", "together", "mean confidence"),
        [
            (label, f"{len(found):,}", clock(length / rate_hz, 0.1), f"{_confidence(found):.2f}")
            for label, length in by_length(heard.sounds)
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


def accounts(heard: Listening) -> Iterator[str]:
    """The ledger, and where samples are missing, as HTML."""
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
        f'<p class="note">{ledger.embeddings:,} embeddings in {count(ledger.epochs, "epoch", "epochs")}; '
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
        yield f'<p class="note">{bounded("losses", LOSSES_MOST)}</p>'
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


def _confidence(sounds: Sequence[Sound]) -> float:
    return float(np.mean([sound.confidence for sound in sounds]))
