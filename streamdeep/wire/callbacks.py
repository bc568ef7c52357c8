"""Messages to functions, from a thread that looks after itself.

For programs that have a main loop of their own. Not here: reception (:mod:`streamdeep.wire.subscriber`).
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.messages import topic_of
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.subscriber import Subscriber
from streamdeep.wire.tally import SubscriberStatistics
from streamdeep.wire.trouble import NOT_YET, ConnectionState

_LOOK_S: Final = 0.1  # how long a stop may take, and a change of a connection until it is told
_COUNT_S: Final = 1.0
_PATIENCE_S: Final = 1.0  # before one is told that a publisher is not there
_log = logging.getLogger("streamdeep.wire")


class Listener:
    """A running listener, as :func:`listen` returns it; a context manager that stops it at the end.

    Attributes:
        errors: exceptions that callbacks raised, by the callback's name.
    """

    def __init__(
        self, subscriber: Subscriber, callbacks: dict[str, Callable[[Any], object]]
    ) -> None:
        self.errors: Counter[str] = Counter()
        self._subscriber = subscriber
        self._callbacks = callbacks
        self._stopping = threading.Event()
        self._statistics = subscriber.statistics()
        self._told: dict[int, str] = {}  # by connection: what trouble was told last
        self._began_s = time.monotonic()
        self._look_at_s = self._count_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it still listens."""
        return self._thread.is_alive()

    def statistics(self) -> SubscriberStatistics:
        """The books, not older than a second unless a callback takes longer; from any thread."""
        return self._statistics

    def stop(self) -> None:
        """Stop listening; when this returns, no callback runs or will run. From any thread.

        From within a callback it does not wait for that callback itself.
        """
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                message = self._subscriber.receive(_LOOK_S)
                if message is not None:
                    self._tell(_callback_for(message), message)
                self._look(time.monotonic())
        finally:
            self._statistics = self._subscriber.statistics()
            self._subscriber.close()

    def _look(self, now_s: float) -> None:
        if now_s >= self._count_at_s:
            self._count_at_s = now_s + _COUNT_S
            self._statistics = self._subscriber.statistics()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_S
        for index, state in enumerate(self._subscriber.connections()):
            waiting = state.trouble == NOT_YET and now_s < self._began_s + _PATIENCE_S
            if not waiting and self._told.get(index) != state.trouble:
                self._told[index] = state.trouble
                self._tell("on_connection", state)

    def _tell(self, name: str, what: Message | ConnectionState) -> None:
        callback = self._callbacks.get(name)
        if callback is None or self._stopping.is_set():
            return
        try:
            callback(what)
        except Exception:
            # One bad message must not end the reception of all others; nor may it go unseen.
            self.errors[name] += 1
            _log.exception("%s raised; listening goes on", name)


def listen(
    connect: str | Sequence[str] = DEFAULT_ENDPOINT,
    *,
    on_embedding: Callable[[EmbeddingMessage], object] | None = None,
    on_early: Callable[[EmbeddingMessage], object] | None = None,
    on_event: Callable[[EventMessage], object] | None = None,
    on_status: Callable[[StatusMessage], object] | None = None,
    on_model: Callable[[ModelMessage], object] | None = None,
    on_label: Callable[[LabelMessage], object] | None = None,
    on_connection: Callable[[ConnectionState], object] | None = None,
    **options: Any,
) -> Listener:
    """Have functions called with messages, one after the other, from a thread of its own.

    A callback that takes long holds up those after it, and behind it a live publisher drops: the loss is counted.
    An exception in a callback is counted in ``Listener.errors`` and logged with its traceback under
    ``streamdeep.wire``; listening goes on with the next message.

    Args:
        connect: one address or several; publishers may start later.
        on_embedding: for each embedding; the other kinds likewise. Only kinds with a callback are received.
        on_early: for each embedding of a segment still open.
        on_event: for each event.
        on_status: for each status.
        on_model: for each model's description.
        on_label: for each label.
        on_connection: when a connection comes up or goes down, with the reason.
        options: ``streams mode high_water_mark hold identity``, see
            :class:`~streamdeep.wire.reception.Reception`.

    Raises:
        ConfigurationError: a malformed address or stream name, or a key file that cannot be read.
    """
    given: dict[str, Callable[[Any], object] | None] = {
        "on_embedding": on_embedding,
        "on_early": on_early,
        "on_event": on_event,
        "on_status": on_status,
        "on_model": on_model,
        "on_label": on_label,
        "on_connection": on_connection,
    }
    callbacks = {name: callback for name, callback in given.items() if callback is not None}
    kinds = [name.removeprefix("on_") for name in callbacks if name != "on_connection"]
    return Listener(Subscriber(connect, kinds=kinds, **options), callbacks)


def _callback_for(message: Message) -> str:
    return "on_" + topic_of(message).partition("/")[0]
