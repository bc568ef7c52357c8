"""One lesson: a teacher, what it was told, what was learnt of it, and the file that this goes to."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from streamdeep.cli.teach_keys import CLASS_KEYS
from streamdeep.cli.teach_orders import Order
from streamdeep.errors import ConfigurationError
from streamdeep.heads.calibration import softmax
from streamdeep.heads.settings import UNKNOWN
from streamdeep.teaching.example import Meaning
from streamdeep.teaching.examples import CLASSES_MOST, Examples
from streamdeep.teaching.headfile import save_head
from streamdeep.teaching.learner import Choice, Learnt, learn
from streamdeep.teaching.teacher import Teacher
from streamdeep.wire.kinds import Message
from streamdeep.wire.printable import one_line


class Lesson:
    """What is taught from live streams.

    Args:
        teacher: with the examples to go on with, if there are any.
        out: where the head goes.
        classes: that are to be taught.
        name: of the head; None: as the file.
        keep: the head carries its examples.
        method: how it is learnt.

    Attributes:
        teacher: as given.
        classes: in the order of their keys.
        stream: which is listened to; None before anything was heard.
        learnt: the newest; None until there are two classes.
        unsaved: something was said since the last saving.
        ended: it was told to end.
    """

    def __init__(
        self,
        teacher: Teacher,
        out: Path,
        classes: list[str],
        *,
        name: str | None,
        keep: bool,
        method: Choice,
    ) -> None:
        self.teacher: Final = teacher
        self.out: Final = out
        self.classes = list(dict.fromkeys(classes))
        self.stream: str | None = None
        self.learnt: Learnt | None = None
        self.unsaved = False
        self.ended = False
        self._name, self._keep, self._method = name, keep, method
        self._last_take: int | None = None
        self._changed = teacher.examples is not None
        self._pool = ThreadPoolExecutor(1, "learning")
        self._learning: Future[Learnt | None] | None = None

    def close(self) -> None:
        """Nothing more will be learnt."""
        self._pool.shutdown(cancel_futures=True)

    def take(self, message: Message, *, now_ns: int) -> None:
        """Take a message; see :meth:`Teacher.push`."""
        if self.teacher.push(message, now_ns=now_ns):
            self._changed = self.unsaved = True
        if self.stream is None:
            self.stream = next(iter(self.teacher.memory), None)

    def obey(self, order: Order, *, now_ns: int) -> str:
        """Do as told.

        Returns:
            What was done, for people.

        Raises:
            ConfigurationError: it cannot be done; nothing has changed.
        """
        stream = order.stream or self.stream
        match order.do:
            case "class":
                return self._add_class(order.meaning.label)
            case "stream":
                return self._listen_to(order.stream)
            case "save":
                return self.save()
            case "quit":
                self.ended = True
                return "end"
            case "undo":
                done = self._examples().undo()
                self._changed = self.unsaved = True
                return "taken back" if done else "there is nothing to take back"
            case "relabel" | "remove":
                return self._correct(order)
        if stream is None:
            raise ConfigurationError("nothing was heard yet")
        match order.do:
            case "end":
                take = self.teacher.end(stream, now_ns=now_ns)
                return "there is nothing to end" if take is None else "ended"
            case "begin":
                self._last_take = self.teacher.begin(stream, order.meaning, now_ns=now_ns)
                said = f"{order.meaning}: now"
            case "last":
                self._last_take = self.teacher.name_last(
                    stream, order.meaning, order.seconds, now_ns=now_ns
                )
                said = f"{order.meaning}: the last {order.seconds:g} s"
            case _:
                start, n_samples = order.start_sample or 0, order.n_samples or 0
                self._last_take = self.teacher.name(stream, order.meaning, start, start + n_samples)
                said = f"{order.meaning}: samples {start} to {start + n_samples}"
        self._changed = self.unsaved = True
        self._note_class(order.meaning)
        return said

    def relearn(self) -> None:
        """Learn beside what goes on, if something has changed; to be called often."""
        if self._learning is not None and self._learning.done():
            self.learnt, self._learning = self._learning.result(), None
        examples = self.teacher.examples
        if self._learning is None and self._changed and examples is not None:
            self._changed = False
            still = Examples(examples.encoder, examples.dim, examples.all)
            self._learning = self._pool.submit(_learn_if_possible, still, self._method)

    def save(self) -> str:
        """Learn from all there is, and write the head.

        Raises:
            ConfigurationError: there are too few classes, or it cannot be written.
        """
        examples = self._examples()
        self.learnt = learn(examples, method=self._method)
        head = save_head(self.out, self.learnt, examples, name=self._name, keep=self._keep)
        self.unsaved = self._changed = False
        return f"saved: {self.out}, head {head.name}"

    def guess(self) -> list[tuple[str, float]]:
        """What the newest segment of the stream sounds like, most probable first; empty if nothing can tell."""
        if self.learnt is None or self.stream is None or self.stream not in self.teacher.memory:
            return []
        vector = self.teacher.memory[self.stream].newest.vector
        chances = softmax(self.learnt.linear.logits(vector[None]))[0]
        return [(self.learnt.labels[i], float(chances[i])) for i in np.argsort(-chances)]

    def _examples(self) -> Examples:
        if self.teacher.examples is None:
            raise ConfigurationError("nothing was heard yet")
        return self.teacher.examples

    def _add_class(self, label: str) -> str:
        self._note_class(Meaning(label))
        if label in self.classes and self.classes.index(label) < len(CLASS_KEYS):
            return f"{label} has the key {CLASS_KEYS[self.classes.index(label)]}"
        return f"{label} is there"

    def _note_class(self, meaning: Meaning) -> None:
        if meaning.label == UNKNOWN or meaning.label in self.classes:
            return
        if len(self.classes) == CLASSES_MOST:
            raise ConfigurationError(f"there are {CLASSES_MOST} classes, more cannot be taught")
        self.classes.append(meaning.label)

    def _listen_to(self, stream: str | None) -> str:
        streams = sorted(self.teacher.memory)
        if not streams or (stream is not None and stream not in streams):
            raise ConfigurationError(f"nothing was heard of {one_line(stream or 'any stream')} yet")
        if stream is None:
            following = [one for one in streams if one > (self.stream or "")]
            stream = (following or streams)[0]
        self.stream = stream
        return f"listening to {stream}"

    def _correct(self, order: Order) -> str:
        examples = self._examples()
        take = self._last_take if self._last_take in examples.takes else None
        if take is None:
            take = max(examples.takes, default=-1)
        if order.do == "remove":
            examples.remove(take)
            said = "the last naming is removed"
        else:
            examples.relabel(take, order.meaning)
            self._note_class(order.meaning)
            said = f"the last naming is {order.meaning}"
        self._changed = self.unsaved = True
        return said


def _learn_if_possible(examples: Examples, method: Choice) -> Learnt | None:
    try:
        return learn(examples, method=method)
    except ConfigurationError:
        return None  # too few classes as yet
