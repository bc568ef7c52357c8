"""What ``streamdeep classify`` shows, to people and to programs."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from streamdeep.heads.rarity import in_words
from streamdeep.labelling.labeller import Labelled
from streamdeep.records import Flag, NoveltyScale
from streamdeep.wire.printable import one_line


def as_dict(one: Labelled) -> dict[str, Any]:
    """One line of JSON: an embedding, what it alone would say, and what was decided."""
    message, rate_hz = one.message, one.message.sample_rate_hz
    best = next(iter(one.probabilities))
    return {
        "stream": message.stream,
        "epoch": message.epoch,
        "sequence": message.sequence,
        "start_sample": message.start_sample,
        "n_samples": message.n_samples,
        "sample_rate_hz": rate_hz,
        "start_s": round(message.start_sample / rate_hz, 6),
        "stop_s": round(message.stop_sample / rate_hz, 6),
        "captured_utc_ns": message.captured_utc_ns,
        "label": best,
        "probability": one.probabilities[best],
        "probabilities": one.probabilities,
        "decision": one.label,
        "sounds": [asdict(sound) for sound in one.told],
        "novelty": message.novelty,
        "novelty_rate": None if one.noticed is None else one.noticed.rate,
        "novel": None if one.noticed is None else one.noticed.novel,
        "drifting": None if one.noticed is None else one.noticed.drifting,
        "level_dbfs": round(message.level_dbfs, 2),
        "flags": [str(flag.name).lower() for flag in Flag if flag in message.flags],
        "latency_ns": message.latency_ns,
        "stages_ns": dict(message.stages_ns),
        # Only on one host do the two clocks mean the same; elsewhere these are of no use.
        "wire_ns": one.received_ns - message.published_monotonic_ns,
        "decide_ns": one.decided_ns - one.received_ns,
    }


def table(latest: Mapping[str, Labelled], scale: NoveltyScale | None = None) -> Table:
    """A row per stream: what goes on, what its newest embedding alone would say, and how new all of it is.

    Args:
        latest: by stream.
        scale: what novelty means, where that is known.
    """
    found = Table()
    for column in (
        "stream",
        "time",
        "hears",
        "since",
        "newest segment",
        "novelty",
        "level",
        "latency",
    ):
        found.add_column(column, no_wrap=True)
    for name, one in sorted(latest.items()):
        message = one.message
        latency_ms = (message.latency_ns + one.decided_ns - message.published_monotonic_ns) / 1e6
        found.add_row(
            name,
            f"{message.stop_sample / message.sample_rate_hz:.1f} s",
            _hears(one),
            _since(one),
            _ranked(one.probabilities),
            _novelty(one, scale),
            f"{message.level_dbfs:.0f} dBFS",
            f"{latency_ms:.1f} ms" if message.latency_ns else "",
        )
    return found


def _hears(one: Labelled) -> Text:
    if not one.sounds:
        return Text(one.label, "dim")
    return Text(_listed((sound.label, sound.confidence) for sound in one.sounds), "bold")


def _novelty(one: Labelled, scale: NoveltyScale | None) -> Text:
    noticed = one.noticed
    if noticed is None or scale is None:
        return Text("")
    told = in_words(noticed.rate, scale)
    if noticed.novel:
        told = f"{told}: never heard anything like this"
    if noticed.drifting:
        told = f"{told}, drifting for {noticed.drift_s / 60:.0f} min"
    return Text(told, "bold" if noticed.novel or noticed.drifting else "dim")


def _ranked(probabilities: Mapping[str, float]) -> Text:
    return Text(_listed(list(probabilities.items())[:3]))


def _listed(pairs: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{one_line(label)} {value:.0%}" for label, value in pairs)


def _since(one: Labelled) -> str:
    if not one.sounds:
        return ""
    elapsed = one.message.stop_sample - one.sounds[0].start_sample
    return f"{elapsed / one.message.sample_rate_hz:.0f} s"
