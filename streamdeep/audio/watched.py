"""One capture of a microphone, what watches it, and whether its blocks count.

Not here: PortAudio (``portaudio``), what is wrong when (``watch``), what is done about it (``microphone``).
"""

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.clock import ClockModel
from streamdeep.audio.portaudio import Capture, Receiver
from streamdeep.audio.watch import Loss, Watch

Taker = Callable[[NDArray[np.float32], int, Loss | None], None]
"""Takes samples ``(samples, channels)``, when the last was captured, and what was lost before them."""


class WatchedCapture:
    """A capture from its opening to its end.

    Of a microphone's captures at most one *counts*: its blocks are taken, those of others are not. A capture that was
    given up may still come to life, later than its successor: a call left behind in a frozen sound server goes on
    where it was.

    Attributes:
        watch: what watches it.
        capture: the device, to be opened.
    """

    def __init__(
        self,
        connect: Callable[[Receiver], Capture],
        watch: Watch,
        take: Taker,
        clock: ClockModel,
        *,
        counts: bool,
    ) -> None:
        """Describe it; nothing is opened yet.

        Args:
            connect: gives the capture, which will call what it is given.
            watch: a new one.
            take: called with each block that counts, on PortAudio's thread.
            clock: learns from the blocks that count.
            counts: from the first block on; otherwise it only listens.
        """
        self._take = take
        self._clock = clock
        self._counts = counts
        self._changing = threading.Lock()
        self.watch = watch
        self.capture = connect(self.receive)

    def receive(
        self, samples: NDArray[np.float32], now_ns: int, captured_ns: int, adc_s: float
    ) -> None:
        """Pass a block on. Runs on PortAudio's thread: nothing here waits, logs or raises."""
        if not self._changing.acquire(blocking=False):
            return  # about to count, and this block is from before; or given up
        try:
            watch = self.watch
            loss = watch.block(now_ns, captured_ns, adc_s, len(samples), silent=not samples.any())
            if self._counts:
                self._take(samples, captured_ns, loss)
                if watch.n_blocks == 1:
                    self._clock.restart()
                self._clock.see(now_ns, watch.n_samples)
        finally:
            self._changing.release()

    def take_over(self, watch: Watch) -> None:
        """From the next block on it counts, and this watches it."""
        with self._changing:
            self.watch, self._counts = watch, True

    def give_up(self) -> None:
        """When this returns, no more of its blocks are taken."""
        with self._changing:
            self._counts = False
