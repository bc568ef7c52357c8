"""What one topic lost, from the sequence numbers that arrived and those that the sender said it sent.

Pure: no socket, no clock. ZeroMQ does not tell anybody what it dropped for a slow reader, so the reader
counts. Per session numbers are contiguous from 0, and one connection keeps order, hence:

- a number above the expected one: those between are lost;
- a *status* that names a last number at or above the expected one: those up to it are lost. This finds the
  end of a burst, after which no further message comes;
- a *repeat* is an old message sent again: new to whoever lacks it, nothing to anyone else.

What was sent before the first sign of a topic is *before join*, not lost. In later sessions there is no
such excuse: the reader was there, so everything from number 0 counts.

The account is exact: ``sent = received + lost + before_join``, up to the last sign of each session.
"""

from dataclasses import dataclass
from typing import Final

# Two senders that use one stream name by mistake alternate; a list of sessions keeps their counts right.
_SESSIONS_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class LossStatistics:
    """One topic's account, in messages.

    Attributes:
        received: arrived, each counted once.
        lost: sent but never arrived.
        before_join: sent before the first sign of the topic.
        repeated: arrived again, as a repeat or over a second path; not in ``received``.
        epoch_changes: messages whose epoch differs from that of the message before, within a session.
        session_changes: messages or statuses of another session than the one before.
    """

    received: int = 0
    lost: int = 0
    before_join: int = 0
    repeated: int = 0
    epoch_changes: int = 0
    session_changes: int = 0


@dataclass(slots=True)
class _Session:
    start: int  # what lies before it was sent before join
    expected: int
    newest: int = -1  # received
    epoch: int | None = None


class LossCounter:
    """Counts one topic's messages."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, _Session] = {}
        self._newest: bytes | None = None
        self._received = 0
        self._lost = 0
        self._before_join = 0
        self._repeated = 0
        self._epoch_changes = 0
        self._session_changes = 0

    def take(self, *, session: bytes, sequence: int, epoch: int | None = None) -> bool:
        """A message of the topic arrived.

        Args:
            session: its session.
            sequence: its number.
            epoch: its epoch, if its kind has one.

        Returns:
            Whether it is new: not received before, and newer than all that were.
        """
        known = self._of(session, sequence)
        if sequence <= known.newest:
            self._repeated += 1
            return False
        if sequence >= known.expected:
            self._lost += sequence - known.expected
            known.expected = sequence + 1
        # Given up already, because a status named it: a joiner meets the status before the repeated model.
        elif sequence >= known.start:
            self._lost -= 1
        else:
            self._before_join -= 1
        self._received += 1
        known.newest = sequence
        if epoch is not None:
            if known.epoch is not None and epoch != known.epoch:
                self._epoch_changes += 1
            known.epoch = epoch
        return True

    def announce(self, *, session: bytes, last_sequence: int, repeat: bool = False) -> None:
        """The sender said which number it sent last under the topic.

        Args:
            session: the status' session.
            last_sequence: -1 if it sent nothing yet.
            repeat: the status is a repeat. It is older than what was sent since, so it proves losses but
                does not tell a joiner where it joined.
        """
        if repeat and session not in self._sessions:
            return
        known = self._of(session, last_sequence + 1)
        if last_sequence >= known.expected:
            self._lost += last_sequence + 1 - known.expected
            known.expected = last_sequence + 1

    def statistics(self) -> LossStatistics:
        """The account so far."""
        return LossStatistics(
            received=self._received,
            lost=self._lost,
            before_join=self._before_join,
            repeated=self._repeated,
            epoch_changes=self._epoch_changes,
            session_changes=self._session_changes,
        )

    def _of(self, session: bytes, sequence: int) -> _Session:
        """The session's state; a new one begins at ``sequence`` if it is the topic's first, else at 0."""
        if self._newest is not None and session != self._newest:
            self._session_changes += 1
        known = self._sessions.pop(session, None)
        if known is None:
            first = self._newest is None
            self._before_join += sequence if first else 0
            start = sequence if first else 0
            known = _Session(start, start)
        self._newest = session
        self._sessions[session] = known  # at the end: the longest unheard of is first
        if len(self._sessions) > _SESSIONS_MOST:
            del self._sessions[next(iter(self._sessions))]
        return known
