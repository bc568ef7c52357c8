"""A recording as a source: the ring is told again what it was told then, at any pace, with the same embeddings.

It waits for the ring, so nothing is refused that was not refused then, and no stream is made to rest.
"""

import threading
import time
from pathlib import Path

from streamdeep.audio.file import BLOCK_SAMPLES, Pace
from streamdeep.audio.ring import Ring
from streamdeep.errors import SourceError
from streamdeep.recording.events import End, Loss, tell_loss
from streamdeep.recording.reader import Recording


class RecordingSource:
    """Play a recording into a ring; see :class:`streamdeep.audio.source.Source`.

    At ``max`` pace sound keeps the times at which it was captured. At ``realtime`` it is as if it came now: gaps take
    their time, and what is missing from the recording takes none.

    Attributes:
        name: the recorded stream's.
        sample_rate_hz: the recording's.
        n_channels: the recording's.
        live: False.
        first_sample: the recording's; its stream is to begin there.
        gain_db: with which it was heard.
    """

    live = False

    def __init__(self, path: Path, *, pace: Pace = "realtime") -> None:
        """Open a recording.

        Raises:
            SourceError: it cannot be read, or is none.
        """
        self._recording = Recording(path)
        self._pace = pace
        self.name = self._recording.about.stream
        self.sample_rate_hz = self._recording.about.sample_rate_hz
        self.n_channels = self._recording.about.n_channels
        self.first_sample = self._recording.about.first_sample
        self.gain_db = self._recording.about.gain_db
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ring: Ring) -> None:
        """Begin to play, on a thread of its own; the ring is closed at the end."""
        self._thread = threading.Thread(
            target=self._play, args=(ring,), name=f"replay {self.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop playing; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        self._recording.close()

    def _play(self, ring: Ring) -> None:
        realtime = self._pace == "realtime"
        most_samples = max(1, self.sample_rate_hz // 100) if realtime else BLOCK_SAMPLES
        began_ns, played = time.monotonic_ns(), 0
        since_boot_ns = began_ns - time.time_ns()  # from Unix time to the monotonic clock
        try:
            for event in self._recording.events(most_samples):
                if isinstance(event, End):
                    continue
                if isinstance(event, Loss):
                    # Before the first sound there is nobody to whom the time could seem long.
                    if played and event.why != "unrecorded":
                        played += event.n_samples
                    tell_loss(event, ring)
                    continue
                played += len(event)
                captured_ns = event.captured_ns + since_boot_ns
                if realtime:
                    captured_ns = began_ns + played * 1_000_000_000 // self.sample_rate_hz
                    if self._stop.wait(max(0, captured_ns - time.monotonic_ns()) / 1e9):
                        break
                if not ring.write_all(event.samples, captured_ns, self._stop):
                    break
            ring.close()
        except SourceError as error:
            ring.close(error)
        finally:
            self._recording.close()
