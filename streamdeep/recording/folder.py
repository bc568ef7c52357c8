"""A recording being written: a folder with a description and segments, each whole in itself.

A segment ends when it is long enough, or when samples come that its sound file cannot hold exactly. Not here: threads,
queues, and what to do when the disk is full (``recorder``).
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamdeep.audio.writer import Bits, bits_needed, fits_flac
from streamdeep.recording.events import End, Event, Loss, Sound
from streamdeep.recording.lines import DESCRIPTION, Description
from streamdeep.recording.segment import Segment

SEGMENT_S = 600.0
SEGMENT_BYTES = 128 << 20


class RecordingFolder:
    """Writes one recording; nothing is made before there is sound.

    Attributes:
        path: the folder.
        n_samples: that can be read, or will be once the open segment is closed.
        n_lost: samples that were written and then could not be kept.
    """

    def __init__(
        self,
        path: Path,
        about: Description,
        *,
        segment_s: float = SEGMENT_S,
        segment_bytes: int = SEGMENT_BYTES,
        closed: Callable[[Segment], None] = lambda segment: None,
    ) -> None:
        """Describe a recording.

        Args:
            path: a folder that is not there yet.
            about: what will stand in it.
            segment_s: when a segment is long enough, in seconds of sound,
            segment_bytes: or in bytes.
            closed: told of every segment that will not change any more.
        """
        self.path = path
        self.n_samples = self.n_lost = 0
        self._about = about
        self._segment_samples = max(1, round(segment_s * about.sample_rate_hz))
        self._segment_bytes = segment_bytes
        self._closed = closed
        self._segment: Segment | None = None
        self._number = 0
        self._position = about.first_sample  # the source's index of what comes next
        self._in_segment: Bits = 16  # what its samples needed
        self._opening: Bits = 16 if fits_flac(about.sample_rate_hz, about.n_channels) else 32

    def write(self, events: deque[Event]) -> None:
        """Write what happened; events are taken from the queue when they are written, and not before.

        Raises:
            OSError: the disk is full, or whatever else; call ``interrupt``, and later this again.
        """
        while events:
            done = self._segment.n_samples if self._segment is not None else 0
            group = _group(events, self._segment_samples - done)
            sounds = [event.samples for event in group if isinstance(event, Sound)]
            if not sounds and self._number == 0:
                if isinstance(group[-1], End):
                    events.clear()  # there was nothing to be recorded
                return
            needed = bits_needed(np.concatenate(sounds)) if sounds else 16
            segment = self._segment_for(needed)
            segment.write(group)
            self._in_segment = max(self._in_segment, needed)
            for _ in group:
                events.popleft()
            self._position += sum(map(len, group))
            self.n_samples += sum(map(len, sounds))
            if segment.n_samples >= self._segment_samples or segment.n_bytes >= self._segment_bytes:
                # The next one begins with what this one needed: a moment of silence changes nothing.
                self._opening = max(self._in_segment, self._least())
                self.close()

    def close(self) -> None:
        """Finish the open segment, if there is one.

        Raises:
            OSError: as in ``write``.
        """
        if self._segment is not None:
            self._segment.close()
            self._closed(self._segment)
            self._segment = None

    def interrupt(self) -> None:
        """Close the open segment as well as can be; what it does not hold is lost, and shows as such."""
        segment = self._segment
        if segment is None:
            return
        self._segment = None
        lost = segment.abandon()
        self.n_lost += lost
        self.n_samples -= lost
        self._closed(segment)

    def _least(self) -> Bits:
        return 16 if fits_flac(self._about.sample_rate_hz, self._about.n_channels) else 32

    def _segment_for(self, needed: Bits) -> Segment:
        if self._segment is not None and self._segment.bits < needed:
            self.close()
        if self._segment is None:
            self._prepare()
            bits = max(needed, self._opening)
            # A number is never used twice: what lies there under it may hold something.
            self._number += 1
            self._segment = Segment(
                self.path, self._number, self._about, start_sample=self._position, bits=bits
            )
            self._in_segment = 16
        return self._segment

    def _prepare(self) -> None:
        description = self.path / DESCRIPTION
        if not description.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.path / f".{DESCRIPTION}.part"
            draft.touch(mode=0o600)
            draft.write_text(self._about.model_dump_json(indent=1) + "\n")
            draft.replace(description)


def _group(events: deque[Event], enough_samples: int) -> list[Event]:
    """What can be written at once: losses, then sound until there is enough of it, then an end."""
    group: list[Event] = []
    n_samples = 0
    for event in events:
        enough = n_samples >= enough_samples and isinstance(event, Sound)
        if enough or (n_samples and isinstance(event, Loss)):
            break
        group.append(event)
        n_samples += len(event) if isinstance(event, Sound) else 0
    return group
