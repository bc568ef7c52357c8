"""Two senders that use one stream's name by mistake, told from a sender that was restarted.

Pure. A restarted sender never speaks under its old session again; two that run at the same time speak in turns.
Only embeddings count: a classifier, too, speaks under the name of the stream that it labels. Not here: what is
done about it (nothing but saying so: sessions keep the two apart).
"""

from collections import Counter
from typing import Final

_STREAMS_MOST: Final = 65_536
_SESSIONS_MOST: Final = 8


class Rivals:
    """Which streams have two senders at once.

    Attributes:
        found: by stream, how often a sender spoke again after another had spoken.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, list[bytes]] = {}  # by stream; who spoke last is last
        self.found: Counter[str] = Counter()

    def heard(self, stream: str, session: bytes) -> None:
        """An embedding of the stream came."""
        sessions = self._sessions.get(stream)
        if sessions is None:
            if len(self._sessions) < _STREAMS_MOST:
                self._sessions[stream] = [session]
            return
        if sessions[-1] == session:
            return
        if session in sessions:
            self.found[stream] += 1
            sessions.remove(session)
        sessions.append(session)
        del sessions[:-_SESSIONS_MOST]
