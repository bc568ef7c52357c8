"""Embeddings wait for the description of their model, so that nobody gets numbers without a meaning.

Pure, a stage: messages in, messages out, in order per stream. A joiner may get embeddings a moment before the
model's description is repeated; they are kept until it comes, and dropped and counted if too many pile up.
"""

from collections import Counter, deque
from typing import Final

from streamdeep.wire.kinds import EmbeddingMessage, Message, ModelMessage

_MODELS_MOST: Final = 16  # per stream; more only if a sender invents them
STREAMS_MOST: Final = 4096
"""A sender that invents streams must not fill the memory; those of whose model nothing was heard for longest go."""
OTHERS: Final = "*"
"""What stands for further streams in ``dropped``."""


class Holding:
    """What waits for a model.

    Args:
        most: embeddings kept over all streams; beyond, the oldest is dropped.
    """

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._models: dict[str, dict[bytes, None]] = {}
        self._waiting: deque[EmbeddingMessage] = deque()
        self.dropped: Counter[str] = Counter()  # by stream

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, message: Message) -> list[Message]:
        """Take a message; return it, or nothing, or a model followed by what waited for it."""
        if isinstance(message, ModelMessage):
            return [message, *self._release(message)]
        if not isinstance(message, EmbeddingMessage) or self._may_pass(message):
            return [message]
        self._waiting.append(message)
        if len(self._waiting) > self._most:
            self._drop(self._waiting.popleft().stream)
        return []

    def _drop(self, stream: str) -> None:
        known = stream in self.dropped or len(self.dropped) < STREAMS_MOST
        self.dropped[stream if known else OTHERS] += 1

    def _may_pass(self, message: EmbeddingMessage) -> bool:
        if message.model not in self._models.get(message.stream, ()):
            return False
        # Not before an earlier one of the same stream that still waits, for another model.
        return all(waiting.stream != message.stream for waiting in self._waiting)

    def _release(self, model: ModelMessage) -> list[EmbeddingMessage]:
        known = self._models.pop(model.stream, {})
        self._models[model.stream] = known  # at the end: the longest unheard of is first
        if len(self._models) > STREAMS_MOST:
            del self._models[next(iter(self._models))]
        known.pop(model.model, None)
        known[model.model] = None
        if len(known) > _MODELS_MOST:
            del known[next(iter(known))]
        released: list[EmbeddingMessage] = []
        kept: deque[EmbeddingMessage] = deque()
        blocked = False
        for waiting in self._waiting:
            mine = waiting.stream == model.stream
            blocked = blocked or (mine and waiting.model not in known)
            (released if mine and not blocked else kept).append(waiting)
        self._waiting = kept
        return released
