"""Who may send sound to an engine: streams begin, go on, give way and end, each by the messages that come.

Pure, but for the sources that it makes: messages and times in, answers out; for one thread. A name belongs to
the session that sends under it; another one is told to wait until the first was silent for a moment, so that
a sender that restarts takes its place, and two that share a name by mistake do not tear each other's sound
to pieces. Not here: sockets and threads (``zeromq``), what becomes of samples (``remote``).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from streamdeep.errors import SourceError
from streamdeep.intake.remote import JUMP_MOST, RemoteSource
from streamdeep.wire.audiokinds import AudioMessage, CreditMessage

TAKEOVER_S: Final = 2.0
"""How long a sender must be silent until another session may have its name."""
NAMES_MOST: Final = 4096
"""Names in one run of an engine; subscribers count so many topics."""
SHAPES_MOST: Final = 32
"""Pairs of rate and channels in one run: rings of each shape stay allocated."""
RATES_HZ: Final = (1_000, 768_000)
_ANSWER_NS: Final = (
    1_000_000_000  # an answer at least so often, so that a sender knows that we are here
)
_SECOND_NS: Final = 1_000_000_000

Answer = tuple[bytes, CreditMessage]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine takes.

    Attributes:
        most_streams: at one time.
        most_bytes: memory for one second of all streams' sound.
        silent_s: a stream is ended when nothing was heard from its sender for so long.
    """

    most_streams: int = 256
    most_bytes: int = 256_000_000
    silent_s: float = 30.0


@dataclass(slots=True)
class ReceptionStatistics:
    """What happened to messages.

    Attributes:
        messages: that could be read.
        lost_messages: numbers left out by a sender or on the way; what that lost is in the streams' ledgers.
        repeated_samples: came again after a sender had connected anew.
        refused: messages that were turned away: for their ``name``, ``rate``, ``shape`` (rate and channels),
            too many ``names``, no ``places``, no ``memory``.
        bad: messages that could not be read, by the place of the fault.
    """

    messages: int = 0
    lost_messages: int = 0
    repeated_samples: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)

    def refuse(self, word: str) -> None:
        """Count a message that was turned away."""
        self.refused[word] = self.refused.get(word, 0) + 1

    def spoil(self, place: str) -> None:
        """Count a message that could not be read."""
        self.bad[place] = self.bad.get(place, 0) + 1


@dataclass(slots=True)
class _Place:
    name: str
    source: RemoteSource
    route: bytes
    next_sequence: int
    told_ns: int = 0
    told_sample: int = -1


@dataclass(frozen=True, slots=True)
class _Past:
    session: bytes
    expected: int
    over: bool


class Reception:
    """The streams that senders ship.

    Args:
        limits: what is taken.
        admit: given a new stream's name and source; to have an engine take it, from any thread, soon.
        session: of this run, 16 bytes; in all answers.
        utc: Unix time in nanoseconds.
    """

    def __init__(
        self,
        limits: Limits,
        admit: Callable[[str, RemoteSource], None],
        *,
        session: bytes,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self.statistics = ReceptionStatistics()
        self._limits = limits
        self._admit = admit
        self._session = session
        self._utc = utc
        self._places: dict[str, _Place] = {}
        self._leaving: list[RemoteSource] = []
        self._past: dict[str, _Past] = {}
        self._shapes: set[tuple[int, int]] = set()
        self._sequences: dict[str, int] = {}
        self._turned_away: dict[tuple[bytes, str], int] = {}  # when told

    @property
    def names(self) -> list[str]:
        """Streams that are here now."""
        return list(self._places)

    def take(self, route: bytes, message: AudioMessage, now_ns: int) -> list[Answer]:
        """A message came; what is to be answered at once, mostly nothing.

        Args:
            route: whom to answer.
            message: checked.
            now_ns: monotonic.
        """
        self.statistics.messages += 1
        place = self._places.get(message.stream)
        if place is None:
            return self._arrive(route, message, now_ns)
        source = place.source
        if source.stopped:  # the engine ends; senders keep what it has not taken
            return []
        if message.session != source.session:
            silent_ns = now_ns - source.heard_ns
            if not source.closed and silent_ns < TAKEOVER_S * _SECOND_NS:
                reason = f"another sender has the name {message.stream!r}"
                return self._turn_away(route, message, ("busy", "name", reason), now_ns)
            if source.closed or not source.same_shape(message):
                return self._begin_anew(route, message, now_ns)
            source.supersede(message, now_ns)
            place.next_sequence, place.told_sample = message.sequence, -1
        elif not source.over and (source.closed or not source.goes_on(message)):
            # Ended for its silence and here again, or of another shape.
            return self._begin_anew(route, message, now_ns)
        place.route = route
        self._give(place, message, now_ns)
        if message.n_samples == 0 and source.open and not source.ended:
            return [self._credit(place, now_ns)]
        return []

    def tick(self, now_ns: int) -> list[Answer]:
        """See to all streams: credit for what was taken, ends; to be called some fifty times a second."""
        answers = []
        for place in list(self._places.values()):
            answers += self._look(place, now_ns)
        self._leaving = [source for source in self._leaving if not source.ended]
        if len(self._turned_away) > NAMES_MOST:
            self._turned_away.clear()
        return answers

    def close(self, now_ns: int) -> list[Answer]:
        """The engine ends: what it has taken, for each sender to begin with elsewhere."""
        return [
            self._answer(
                place.route,
                place.name,
                to=place.source.session,
                state="ended" if place.source.over and place.source.ended else "busy",
                taken=place.source.taken_sample,
                limit=place.source.taken_sample,
                reason="this engine ends",
                now_ns=now_ns,
            )
            for place in self._places.values()
        ]

    # --- coming ------------------------------------------------------------------------------------------

    def _arrive(self, route: bytes, message: AudioMessage, now_ns: int) -> list[Answer]:
        past = self._past.get(message.stream)
        again = past is not None and past.session == message.session
        if past is not None and again and past.over:
            return [
                self._answer(
                    route, message.stream, to=message.session, state="ended", taken=past.expected,
                    limit=past.expected, reason="all of it was taken", now_ns=now_ns,
                )
            ]  # fmt: skip
        obstacle = self._obstacle(message)
        if obstacle is not None:
            return self._turn_away(route, message, obstacle, now_ns)
        self._shapes.add((message.sample_rate_hz, message.channels))
        expected = None
        if past is not None and again and message.start_sample - past.expected <= JUMP_MOST:
            expected = past.expected
        source = RemoteSource(message, now_ns, expected=expected)
        place = _Place(message.stream, source, route, message.sequence)
        self._places[message.stream] = place
        self._give(place, message, now_ns)
        self._admit(message.stream, source)
        return []

    def _begin_anew(self, route: bytes, message: AudioMessage, now_ns: int) -> list[Answer]:
        """The stream of this name ends, and another one begins under it."""
        former = self._places.pop(message.stream).source
        former.close()
        if not former.ended:
            self._leaving.append(former)
        self._remember(message.stream, former)
        return self._arrive(route, message, now_ns)

    def _obstacle(self, message: AudioMessage) -> tuple[str, str, str] | None:
        """State, word and reason for not taking a new stream."""
        low, high = RATES_HZ
        shape = message.sample_rate_hz, message.channels
        if not low <= message.sample_rate_hz <= high:
            return (
                "refused",
                "rate",
                f"a rate of {message.sample_rate_hz} Hz; {low} to {high} are taken",
            )
        if shape not in self._shapes and len(self._shapes) >= SHAPES_MOST:
            reason = f"more than {SHAPES_MOST} different rates and channel counts"
            return "refused", "shape", reason
        if message.stream not in self._past and len(self._past) + len(self._places) >= NAMES_MOST:
            return "refused", "names", f"more than {NAMES_MOST} stream names"
        here = [place.source for place in self._places.values()] + self._leaving
        if len(here) >= self._limits.most_streams:
            return "busy", "places", f"all {self._limits.most_streams} places are taken"
        n_bytes = sum(4 * source.sample_rate_hz * source.n_channels for source in here)
        if n_bytes + 4 * message.sample_rate_hz * message.channels > self._limits.most_bytes:
            return (
                "busy",
                "memory",
                f"the memory for sound, {self._limits.most_bytes} bytes, is taken",
            )
        return None

    def _turn_away(
        self, route: bytes, message: AudioMessage, why: tuple[str, str, str], now_ns: int
    ) -> list[Answer]:
        state, word, reason = why
        self.statistics.refuse(word)
        key = route, message.stream
        if now_ns - self._turned_away.get(key, -_ANSWER_NS) < _ANSWER_NS:
            return []
        self._turned_away[key] = now_ns
        return [
            self._answer(
                route, message.stream, to=message.session, state=state, taken=0, limit=0,
                reason=reason, now_ns=now_ns,
            )
        ]  # fmt: skip

    # --- being here --------------------------------------------------------------------------------------

    def _give(self, place: _Place, message: AudioMessage, now_ns: int) -> None:
        source = place.source
        before = source.repeated_samples
        source.take(message, now_ns)
        self.statistics.repeated_samples += source.repeated_samples - before
        if message.n_samples and message.sequence >= place.next_sequence:
            self.statistics.lost_messages += message.sequence - place.next_sequence
            place.next_sequence = message.sequence + 1

    def _look(self, place: _Place, now_ns: int) -> list[Answer]:
        source = place.source
        if source.refusal is not None or source.ended:
            del self._places[place.name]
            self._remember(place.name, source)
            state, reason = "busy", "the stream was ended"
            if source.refusal is not None:
                state, reason = "refused", source.refusal
            elif source.over:
                state, reason = "ended", "all of it was taken"
            taken = source.taken_sample
            return [
                self._answer(
                    place.route, place.name, to=source.session, state=state, taken=taken, limit=taken,
                    reason=reason, now_ns=now_ns,
                )
            ]  # fmt: skip
        if not source.open:
            return []
        if not source.closed and now_ns - source.heard_ns > self._limits.silent_s * _SECOND_NS:
            source.close(SourceError(f"nothing was heard for {self._limits.silent_s:g} s"))
            return []
        advanced = source.taken_sample - place.told_sample
        if advanced * 4 < source.window_samples and now_ns - place.told_ns < _ANSWER_NS:
            return []
        return [self._credit(place, now_ns)]

    def _credit(self, place: _Place, now_ns: int) -> Answer:
        taken = place.source.taken_sample
        place.told_ns, place.told_sample = now_ns, taken
        return self._answer(
            place.route,
            place.name,
            to=place.source.session,
            state="open",
            taken=taken,
            limit=taken + place.source.window_samples,
            now_ns=now_ns,
        )

    def _remember(self, name: str, source: RemoteSource) -> None:
        if source.refusal is None:
            self._past[name] = _Past(source.session, source.expected, source.over)

    def _answer(
        self,
        route: bytes,
        name: str,
        *,
        to: bytes,
        state: str,
        taken: int,
        limit: int,
        now_ns: int,
        reason: str = "",
    ) -> Answer:
        known = name in self._sequences or len(self._sequences) < 2 * NAMES_MOST
        sequence = self._sequences.get(name, -1) + 1
        if known:
            self._sequences[name] = sequence
        fields: dict[str, Any] = {"to": to, "state": state, "reason": reason[:1024]}
        return route, CreditMessage(
            stream=name,
            session=self._session,
            sequence=sequence,
            published_utc_ns=self._utc(),
            published_monotonic_ns=now_ns,
            taken_sample=taken,
            limit_sample=limit,
            **fields,
        )
