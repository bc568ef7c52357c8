"""All clients of a server, and the last of every state for those who join.

Everything is to be called from one thread, and nothing waits. Not here: how lines leave (:mod:`streamdeep.bridges.websocket`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from streamdeep.bridges.mailbox import Mailbox
from streamdeep.bridges.request import Wanted
from streamdeep.bridges.text import VectorForm, as_line
from streamdeep.records import Flag
from streamdeep.wire.kinds import LabelMessage, Message, ModelMessage, StatusMessage, topic_of

STATES_MOST: Final = 4096


class Client:
    """One client.

    Attributes:
        wanted: what it asked for.
        mailbox: what waits for it.
        wake: called when something came, or when it is over.
    """

    def __init__(self, wanted: Wanted, wake: Callable[[], None]) -> None:
        self.wanted = wanted
        self.mailbox: Mailbox[str] = Mailbox()
        self.wake = wake


class Fanout:
    """Hands every message to the clients that want it.

    Args:
        clients_most: clients at a time.
    """

    def __init__(self, clients_most: int = 64) -> None:
        self._clients_most = clients_most
        self._clients: list[Client] = []
        self._states: dict[str, Message] = {}
        self.closed = False

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def full(self) -> bool:
        """There is no room for one more client."""
        return len(self._clients) >= self._clients_most

    def join(self, wanted: Wanted, wake: Callable[[], None]) -> Client | None:
        """A client came: it is given the last model, status and labels of its streams; None if it is full."""
        if self.full or self.closed:
            return None
        client = Client(wanted, wake)
        for topic, message in self._states.items():
            if wanted.takes(topic.partition("/")[0], message.stream):
                again = replace(message, flags=message.flags | Flag.REPEAT)
                client.mailbox.put(as_line(again))
        self._clients.append(client)
        return client

    def leave(self, client: Client) -> None:
        """A client is gone."""
        self._clients.remove(client)

    def take(self, message: Message) -> None:
        """Hand a message out."""
        topic = topic_of(message)
        kind = topic.partition("/")[0]
        if isinstance(message, ModelMessage | StatusMessage | LabelMessage):
            self._states.pop(topic, None)
            self._states[topic] = message
            if len(self._states) > STATES_MOST:
                del self._states[next(iter(self._states))]
        # Written once for all who want the same form.
        lines: dict[VectorForm, str] = {}
        for client in self._clients:
            if client.wanted.takes(kind, message.stream):
                form = client.wanted.vector
                if form not in lines:
                    lines[form] = as_line(message, vector=form)
                client.mailbox.put(lines[form])
                client.wake()

    def miss(self, count: int) -> None:
        """So many messages could not be handed out to anybody."""
        for client in self._clients:
            client.mailbox.miss(count)
            client.wake()

    def close(self) -> None:
        """It is over: everybody is to leave."""
        self.closed = True
        for client in self._clients:
            client.wake()
