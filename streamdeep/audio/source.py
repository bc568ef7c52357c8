"""What the engine asks of anything that sound comes from."""

from typing import Protocol

from streamdeep.audio.ring import Ring


class Source(Protocol):
    """Where sound comes from.

    Attributes:
        name: for the stream's default name.
        sample_rate_hz: rate of what it writes.
        n_channels: channels of what it writes.
        live: samples come when they happen, not when they are wanted.
    """

    name: str
    sample_rate_hz: int
    n_channels: int
    live: bool

    def start(self, ring: Ring) -> None:
        """Begin to write into the ring; close it at the end."""

    def stop(self) -> None:
        """Stop writing; nothing is written after it returns."""
