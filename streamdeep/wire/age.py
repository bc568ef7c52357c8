"""How old an embedding is, on one host and across hosts.

Pure: the clocks are arguments. On one host both ends read the same monotonic clock, and the age is exact.
Across hosts there is only Unix time, and the two clocks differ by an unknown amount. Every message shows
*transit + difference*; the smallest value seen bounds the difference from above, and taking it off leaves an
age that is too small by at most the fastest transit. Not here: which message is the newest.
"""

from dataclasses import dataclass
from typing import Final

from streamdeep.records import Flag
from streamdeep.wire.kinds import EmbeddingMessage, Message, StatusMessage

_SESSIONS_MOST: Final = 64


@dataclass(slots=True)
class _Sender:
    same_host: bool = False
    offset_bound_ns: int | None = None


class Ages:
    """What is known of the senders' clocks.

    Args:
        host: this machine, as in ``StatusMessage.host``.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._senders: dict[bytes, _Sender] = {}

    def observe(self, message: Message, *, utc_ns: int) -> None:
        """A message arrived at ``utc_ns`` by this machine's clock."""
        sender = self._senders.pop(message.session, None) or _Sender()
        self._senders[message.session] = sender
        if len(self._senders) > _SESSIONS_MOST:
            del self._senders[next(iter(self._senders))]
        if isinstance(message, StatusMessage):
            sender.same_host = message.host == self._host
        if Flag.REPEAT not in message.flags:
            difference_ns = utc_ns - message.published_utc_ns
            if sender.offset_bound_ns is None or difference_ns < sender.offset_bound_ns:
                sender.offset_bound_ns = difference_ns

    def age_s(self, message: EmbeddingMessage, *, monotonic_ns: int, utc_ns: int) -> float:
        """How long ago the message's last sample was captured, in seconds."""
        sender = self._senders.get(message.session) or _Sender()
        if sender.same_host:
            captured_ns = message.published_monotonic_ns - message.latency_ns
            return (monotonic_ns - captured_ns) / 1e9
        return (utc_ns - message.captured_utc_ns - (sender.offset_bound_ns or 0)) / 1e9

    def clock_offset_bound_s(self, session: bytes) -> float | None:
        """Smallest *transit + clock difference* seen; 0 on the same host, None before any message."""
        sender = self._senders.get(session) or _Sender()
        if sender.same_host:
            return 0.0
        return None if sender.offset_bound_ns is None else sender.offset_bound_ns / 1e9
