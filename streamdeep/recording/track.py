"""One stream on its way to the disk, as the recorder's thread sees it: what waits, and the folder that it is written to.

Not here: when something is written, and what to do when the disk is full (``recorder``).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streamdeep.recording.events import Event, Sound
from streamdeep.recording.folder import RecordingFolder
from streamdeep.recording.queue import EventQueue


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a stream's recording.

    Attributes:
        stream: its name.
        path: the folder.
        samples: recorded.
        unrecorded: samples that the engine had and the recording has not.
    """

    stream: str
    path: Path
    samples: int
    unrecorded: int


@dataclass(slots=True, eq=False)
class Track:
    """One stream's queue and folder.

    Attributes:
        stream: its name.
        queue: where the source's thread puts what happens.
        folder: where it is written to.
        on_end: told of the result when it is finished, if somebody wants to know.
        ended: it is finished.
    """

    stream: str
    queue: EventQueue
    folder: RecordingFolder
    on_end: Callable[[Recorded], None] | None
    ended: bool = False
    _pending: deque[Event] = field(default_factory=deque)

    @property
    def recorded(self) -> Recorded:
        """What became of it so far."""
        return Recorded(
            self.stream,
            self.folder.path,
            self.folder.n_samples,
            self.queue.n_unrecorded + self.folder.n_lost,
        )

    def write(self, *, last: bool) -> bool:
        """Write what waits; finish the folder if the source has ended, or this is the ``last`` time.

        Returns:
            Whether it is finished.

        Raises:
            OSError: as of the folder; what was not written still waits.
        """
        closed = last or self.queue.closed
        self._pending.extend(self.queue.get())
        before = self._waiting_samples()
        try:
            self.folder.write(self._pending)
            if closed:
                self.folder.close()
                self.ended = True
        finally:
            self.queue.done(before - self._waiting_samples())
        return self.ended

    def interrupt(self) -> None:
        """Close what is open as well as can be; it may be written to again."""
        try:
            self.folder.close()
        except OSError:
            self.folder.interrupt()

    def give_up(self) -> None:
        """Count what still waits as unrecorded; nothing is written any more."""
        self.interrupt()
        self._pending.extend(self.queue.get())
        self.queue.n_unrecorded += self._waiting_samples()
        self._pending.clear()

    def _waiting_samples(self) -> int:
        return sum(len(event) for event in self._pending if isinstance(event, Sound))
