"""What commands that record have in common: the recorder, and what is said of its results."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamdeep.recording.recorder import Recorder
    from streamdeep.recording.track import Recorded


def recorder_for(
    place: Path,
    keep_hours: float | None,
    keep_gb: float | None,
    *,
    note: Callable[[str, str], None],
) -> "Recorder":
    """A recorder at work; ``note`` takes the event's name and a sentence.

    Raises:
        ConfigurationError: nothing can be written there.
    """
    from streamdeep.recording.keeping import Keep
    from streamdeep.recording.recorder import Recorder

    return Recorder(
        place, keep=Keep(keep_hours, keep_gb), note=lambda text: note("recording", text)
    )


def recorded_as_dict(result: "Recorded") -> dict[str, Any]:
    """A result for JSON."""
    return {**asdict(result), "path": str(result.path)}


def describe_recorded(result: "Recorded") -> str:
    """A result for people."""
    if not result.samples:
        return f"{result.stream}: nothing was recorded ({result.unrecorded:,} samples came)"
    missing = f"; {result.unrecorded:,} are missing" if result.unrecorded else ""
    return f"{result.stream}: {result.samples:,} samples are in {result.path}{missing}"
