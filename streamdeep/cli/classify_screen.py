"""What ``streamdeep classify`` shows in a terminal."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from streamdeep.labelling.labeller import Labelled


def table(latest: Mapping[str, Labelled]) -> Table:
    """A row per stream: what goes on, and what its newest embedding alone would say."""
    found = Table()
    for column in ("stream", "time", "hears", "since", "newest segment", "level", "latency"):
        found.add_column(column, no_wrap=True)
    for name, one in sorted(latest.items()):
        message = one.message
        latency_ms = (message.latency_ns + one.decided_ns - message.published_monotonic_ns) / 1e6
        found.add_row(
            name,
            f"{message.stop_sample / message.sample_rate_hz:.1f} s",
            _hears(one),
            _since(one),
            ", ".join(
                f"{label} {value:.0%}" for label, value in list(one.probabilities.items())[:3]
            ),
            f"{message.level_dbfs:.0f} dBFS",
            f"{latency_ms:.1f} ms" if message.latency_ns else "",
        )
    return found


def _hears(one: Labelled) -> Text:
    if not one.sounds:
        return Text(one.label, "dim")
    return Text(", ".join(f"{sound.label} {sound.confidence:.0%}" for sound in one.sounds), "bold")


def _since(one: Labelled) -> str:
    if not one.sounds:
        return ""
    elapsed = one.message.stop_sample - one.sounds[0].start_sample
    return f"{elapsed / one.message.sample_rate_hz:.0f} s"
