"""Teaching from the page: what browsers ask for, examples, and a head that is saved where the user said at the start.

Orders are checked like anything from outside; none of them names a file. Learning runs in a thread of its own on a
copy of the examples, so that nobody waits for it. A hold that nobody ends, because a browser went away, ends
by itself. Not here: how examples are taken and what is learnt (:mod:`streamdeep.teaching`).
"""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from streamdeep.config import Strict
from streamdeep.dashboard.packets import Packet, text
from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep.heads.head import Head
from streamdeep.teaching.example import Meaning
from streamdeep.teaching.examples import Examples
from streamdeep.teaching.headfile import load_taught, save_head
from streamdeep.teaching.learner import Learnt, learn
from streamdeep.teaching.teacher import Teacher
from streamdeep.wire.kinds import EmbeddingMessage, Message, ModelMessage
from streamdeep.writable import refuse_unwritable

HOLD_MOST_S: Final = 60.0
_ORDER_LETTERS_MOST: Final = 1024
_TELL_NS: Final = 1_000_000_000


class Order(Strict):
    """What a browser asks for.

    Attributes:
        do: ``last`` names the last seconds, ``begin`` and ``end`` what sounds in between, ``undo`` takes the
            last step back, ``save`` writes the head.
        stream: which stream.
        label: the class.
        negative: it is not of this class.
        seconds: for ``last``.
    """

    do: Literal["last", "begin", "end", "undo", "save"]
    stream: str = Field(default="", max_length=64)
    label: str = Field(default="", max_length=64)
    negative: bool = False
    seconds: float = Field(default=3.0, gt=0.0, le=60.0)


class Desk:
    """A teacher that browsers give orders.

    Args:
        path: where the head is saved; a head that is there already goes on, if it carries its examples.

    Attributes:
        head: the head as it was last saved, or found; None if there is none yet.

    Raises:
        ConfigurationError: there is a head without examples, or nothing can be saved there.
        ModelError: there is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.head: Head | None = None
        examples: Examples | None = None
        if path.exists():
            self.head, examples = load_taught(path)
            if examples is None:
                raise ConfigurationError(
                    f"--teach {path}: this head carries no examples to go on with; give a new file's name"
                )
        refuse_unwritable(path, "--teach")
        self._teacher = Teacher(examples)
        self._learning = ThreadPoolExecutor(1, thread_name_prefix="learning")
        self._future: Future[Learnt] | None = None
        self._learnt: Learnt | None = None
        self._revision, self._learnt_revision, self._saved_revision = 0, -1, 0
        self._holds: dict[str, int] = {}
        self._save_when_learnt = False
        self._told, self._bad = "", False
        self._changed, self._told_ns = True, 0

    def close(self) -> None:
        """Wait for what is being learnt; nothing is saved that nobody asked for."""
        self._learning.shutdown(cancel_futures=True)

    def push(self, message: Message, *, now_ns: int) -> None:
        """Take a message; those of another encoder than the examples' are passed over."""
        examples = self._teacher.examples
        if isinstance(message, ModelMessage) and examples is not None:
            return
        if isinstance(message, EmbeddingMessage) and (
            examples is None or not examples.encoder.startswith(message.model)
        ):
            return
        try:
            if self._teacher.push(message, now_ns=now_ns):
                self._touch()
        except StreamdeepError as error:
            self._tell(str(error), bad=True)

    def obey(self, order: str, *, now_ns: int) -> None:
        """Do what a browser asked for, and say what came of it; never raises for what it asked.

        Args:
            order: an :class:`Order` as JSON.
            now_ns: monotonic time at which it came.
        """
        if len(order) > _ORDER_LETTERS_MOST:
            return
        try:
            asked = Order.model_validate_json(order)
        except ValidationError:
            self._tell("that was not understood; load the page again", bad=True)
            return
        try:
            self._do(asked, now_ns)
        except StreamdeepError as error:
            self._tell(str(error), bad=True)

    def step(self, now_ns: int) -> list[Packet]:
        """See to what goes on; to be called ten times a second. What there is to tell browsers."""
        for stream, began_ns in list(self._holds.items()):
            if now_ns - began_ns > HOLD_MOST_S * 1e9:
                self._end(stream, now_ns)
        self._take_learnt()
        examples = self._teacher.examples
        if (
            self._future is None
            and self._learnt_revision != self._revision
            and examples is not None
        ):
            self._learnt_revision = self._revision
            copy = Examples(examples.encoder, examples.dim, examples.all)
            if len(copy.labels) >= 2:
                self._future = self._learning.submit(learn, copy)
            else:
                self._learnt = None
        if not self._changed and now_ns - self._told_ns < _TELL_NS:
            return []
        self._changed, self._told_ns = False, now_ns
        return [self._packet()]

    # --- orders -------------------------------------------------------------------------------------------

    def _do(self, order: Order, now_ns: int) -> None:
        stream, teacher = order.stream, self._teacher
        match order.do:
            case "last":
                meaning = Meaning(order.label, order.negative)
                teacher.name_last(stream, meaning, order.seconds, now_ns=now_ns)
                self._touch()
                self._tell(f"the last {order.seconds:g} s of {stream} were: {meaning}")
            case "begin":
                teacher.begin(stream, Meaning(order.label, order.negative), now_ns=now_ns)
                self._holds[stream] = now_ns
                self._touch()
                self._tell(f"{stream}: {order.label} ...")
            case "end":
                self._end(stream, now_ns)
            case "undo":
                undone = teacher.examples is not None and teacher.examples.undo()
                self._touch()
                self._tell("taken back" if undone else "there is nothing to take back")
            case "save":
                self._save_when_learnt = True
                self._tell("saving ...")

    def _end(self, stream: str, now_ns: int) -> None:
        self._holds.pop(stream, None)
        if self._teacher.end(stream, now_ns=now_ns) is not None:
            self._touch()
            self._tell(f"{stream}: noted; its last segments come within seconds")

    # --- learning -----------------------------------------------------------------------------------------

    def _take_learnt(self) -> None:
        if self._future is not None and self._future.done():
            future, self._future = self._future, None
            self._changed = True
            try:
                self._learnt = future.result()
            except StreamdeepError as error:
                self._learnt = None
                self._tell(str(error), bad=True)
        current = self._future is None and self._learnt_revision == self._revision
        if self._save_when_learnt and current:
            self._save_when_learnt = False
            self._save()

    def _save(self) -> None:
        examples = self._teacher.examples
        if self._learnt is None or examples is None:
            self._tell(
                "two classes are needed before a head can be saved; “unknown”, background, is one",
                bad=True,
            )
            return
        try:
            self.head = save_head(self._path, self._learnt, examples)
        except StreamdeepError as error:
            self._tell(str(error), bad=True)
            return
        self._saved_revision = self._revision
        self._tell(f"saved to {self._path.name}; labels here are from it now")

    def _touch(self) -> None:
        self._revision += 1
        self._changed = True

    def _tell(self, words: str, *, bad: bool = False) -> None:
        self._told, self._bad, self._changed = words, bad, True

    def _packet(self) -> Packet:
        examples, learnt = self._teacher.examples, self._learnt
        n_segments: Counter[Meaning] = Counter()
        n_takes: Counter[Meaning] = Counter()
        if examples is not None:
            n_segments.update(example.meaning for example in examples.all)
            n_takes.update(examples.takes.values())
        scores = {} if learnt is None else learnt.scores
        classes: list[dict[str, Any]] = []
        for meaning, takes in n_takes.items():
            score = scores.get(meaning)
            classes.append(
                {
                    "label": meaning.label,
                    "negative": meaning.negative,
                    "takes": takes,
                    "segments": n_segments[meaning],
                    "right": None if score is None else score.right,
                    "judged": None if score is None else score.judged,
                }
            )
        return text(
            "teaching",
            1,
            {
                "kind": "teaching",
                "file": self._path.name,
                "classes": classes,
                "accuracy": None if learnt is None else learnt.accuracy,
                "method": None if learnt is None else learnt.method,
                "learning": self._future is not None,
                "holding": sorted(self._holds),
                "waiting": len(self._teacher.waiting()),
                "unsaved": self._revision != self._saved_revision,
                "told": self._told,
                "bad": self._bad,
            },
        )
