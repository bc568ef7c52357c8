"""Writes recordings on a thread of its own, so that a slow or full disk holds up nobody.

When the disk is full, or a write fails for whatever reason, what was written is closed and stays whole, and
recording stops; the engine goes on. It is tried again when there is room. Meanwhile sound waits in the queues, and what
finds no room there goes unrecorded: that is counted, said, and written into the recording.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from streamdeep import __version__
from streamdeep.audio.source import Source
from streamdeep.errors import ConfigurationError
from streamdeep.frontend.gain import GainDb
from streamdeep.recording.disk import has_room
from streamdeep.recording.folder import SEGMENT_BYTES, SEGMENT_S, RecordingFolder
from streamdeep.recording.keeping import Keep, Keeper
from streamdeep.recording.lines import Description
from streamdeep.recording.queue import EventQueue
from streamdeep.recording.recorded import RecordedSource
from streamdeep.recording.track import Recorded, Track

QUEUES_BYTES = 64_000_000
"""What waiting sound may take in memory, over all streams."""
PERIOD_S = 0.25
"""How often sound is written; so much is lost when the program is killed."""
_RETRY_S = (1.0, 10.0)
_TIDY_S = 60.0
_PATIENCE_S = 30.0
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Recorder:
    """Records any number of sources into one place, each into a folder of its own."""

    def __init__(
        self,
        place: Path,
        *,
        keep: Keep = Keep(),  # noqa: B008 - frozen
        note: Callable[[str], None] = lambda message: None,
        segment_s: float = SEGMENT_S,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Begin.

        Args:
            place: a folder, made if it is not there; only its owner may read what is written.
            keep: what is kept of recordings in this place, earlier ones included.
            note: told when recording stops and goes on; from the recorder's thread.
            segment_s: how long a sound file is at most,
            segment_bytes: and how large, about.

        Raises:
            ConfigurationError: nothing can be written there, and not because the disk is full.
        """
        self.place = place
        self._note = note
        self._segment_s, self._segment_bytes = segment_s, segment_bytes
        self._tracks: list[Track] = []
        self._share_bytes = QUEUES_BYTES
        self._stopped = False
        self._retry_at_s, self._retry_s = 0.0, _RETRY_S[0]
        self._prepare()
        self._keeper = Keeper(place, keep)
        self._keeper.tidy()
        self._tidy_at_s = time.monotonic() + _TIDY_S
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def stopped(self) -> bool:
        """Whether the disk is full, or cannot be written for another reason."""
        return self._stopped

    def record(
        self,
        stream: str,
        source: Source,
        *,
        gain_db: GainDb = 0.0,
        on_end: Callable[[Recorded], None] | None = None,
    ) -> RecordedSource:
        """A source that is recorded when it is played.

        Args:
            stream: its name on the wire.
            source: not yet started.
            gain_db: with which it is heard; what is recorded is the sound without it.
            on_end: told when its recording is finished, from the recorder's thread; it is then forgotten here.
        """
        return RecordedSource(
            source, lambda first_sample: self._begin(stream, source, first_sample, gain_db, on_end)
        )

    def _begin(
        self,
        stream: str,
        source: Source,
        first_sample: int,
        gain_db: GainDb,
        on_end: Callable[[Recorded], None] | None,
    ) -> EventQueue:
        about = Description(
            stream=stream,
            source=source.name[:1024],
            sample_rate_hz=source.sample_rate_hz,
            n_channels=source.n_channels,
            live=source.live,
            began_utc_ns=time.time_ns(),
            first_sample=first_sample,
            gain_db=gain_db,
            version=__version__,
        )
        queue = EventQueue(
            source.sample_rate_hz,
            source.n_channels,
            most_bytes=lambda: self._share_bytes,
            waits=lambda: not (source.live or self._stopped),
            hurry=self._wake.set,
        )
        folder = RecordingFolder(
            self._new_path(stream),
            about,
            segment_s=self._segment_s,
            segment_bytes=self._segment_bytes,
            closed=lambda segment: self._keeper.add(segment.paths),
        )
        self._tracks.append(Track(stream, queue, folder, on_end))
        self._share()
        return queue

    def results(self) -> list[Recorded]:
        """What became of each stream that is not forgotten; final after ``close``."""
        return [track.recorded for track in list(self._tracks)]

    def close(self) -> None:
        """Write what waits, and finish all files; the sources have ended."""
        self._closing.set()
        self._wake.set()
        self._thread.join(_PATIENCE_S)
        if self._thread.is_alive():
            self._note(f"the disk of {self.place} does not answer; the end is not recorded")

    # --- the recorder's thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self._stopped = True  # a source that waits must not wait for ever
            self._note(f"recording ended: {error!r}; the engine goes on")
            raise

    def _loop(self) -> None:
        while True:
            closing = self._closing.is_set()  # looked at first: all that came before it is written
            now_s = time.monotonic()
            if self._may_write(now_s, closing=closing):
                failures = [self._write(track, last=closing) for track in list(self._tracks)]
                failure = next(filter(None, failures), None)
                if failure is None:
                    self._goes_on()
                else:
                    self._stop(failure, now_s)
            if now_s >= self._tidy_at_s:
                self._keeper.tidy()
                self._tidy_at_s = now_s + _TIDY_S
            if closing:
                self._give_up()
                return
            self._wake.wait(PERIOD_S)
            self._wake.clear()

    def _write(self, track: Track, *, last: bool) -> OSError | None:
        """Write what waits of one stream; the others are not to suffer if that fails."""
        if track.ended:
            return None
        try:
            ended = track.write(last=last)
        except OSError as error:
            return error
        if ended:
            self._share()
            if track.on_end is not None:
                self._tracks.remove(track)
                track.on_end(track.recorded)
        return None

    def _share(self) -> None:
        running = sum(not track.ended for track in list(self._tracks))
        self._share_bytes = QUEUES_BYTES // max(1, running)

    def _may_write(self, now_s: float, *, closing: bool) -> bool:
        if has_room(self.place, to_resume=self._stopped):
            return not self._stopped or now_s >= self._retry_at_s or closing
        if not self._stopped:
            self._stop(OSError(errno.ENOSPC, "less than 1 % of the disk is free"), now_s)
        return False

    def _stop(self, error: OSError, now_s: float) -> None:
        self._interrupt()
        if not self._stopped:
            full = error.errno in _FULL
            again = "5 % of it is free again" if full else "it can be written again"
            self._note(
                f"recording stopped: {error.strerror or error} ({self.place}); the engine goes on, "
                f"and so does recording when {again}"
            )
        self._stopped = True
        self._retry_at_s = now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_S[1])

    def _interrupt(self) -> None:
        for track in self._tracks:
            track.interrupt()

    def _give_up(self) -> None:
        """At the end; if all went well, nothing is open and nothing waits."""
        for track in self._tracks:
            track.give_up()

    def _goes_on(self) -> None:
        if self._stopped:
            self._stopped = False
            lost = sum(recorded.unrecorded for recorded in self.results())
            self._note(f"recording goes on; {lost} samples were not recorded so far")
        elif self._retry_s > _RETRY_S[0]:
            self._retry_s = _RETRY_S[0]

    # --- places ------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        try:
            self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.place / f".streamdeep-{os.getpid()}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            if error.errno in _FULL:
                self._stopped = True
                self._note(f"nothing is recorded: {error.strerror} ({self.place})")
                return
            raise ConfigurationError(
                f"cannot record to {self.place}: {error.strerror or error}; choose another folder"
            ) from error

    def _new_path(self, stream: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        taken = {track.folder.path for track in self._tracks}
        path, number = self.place / f"{stream}.{stamp}", 1
        while path in taken or path.exists():
            number += 1
            path = self.place / f"{stream}.{stamp}-{number}"
        return path
