"""What a recording holds, by its indexes alone."""

from dataclasses import dataclass

from streamdeep.recording.lines import Blocks, Ended, Lost, Opened
from streamdeep.recording.reader import Recording


@dataclass(frozen=True, slots=True)
class Contents:
    """What a recording's indexes say, without its sound.

    Attributes:
        first_sample: the source's index of the first sample that is there.
        samples: of sound, as far as the indexes tell.
        gap_samples: never captured, when it was recorded.
        overflow_samples: refused by the engine's ring, when it was recorded.
        unrecorded_samples: that the engine had and the recording has not, after ``first_sample``.
        segments: how many there are.
        ended: the source came to its end; otherwise the recording breaks off, or goes on.
        error: why the source ended, if not simply so.
    """

    first_sample: int
    samples: int
    gap_samples: int
    overflow_samples: int
    unrecorded_samples: int
    segments: int
    ended: bool
    error: str | None


def contents(recording: Recording) -> Contents:
    """Add up what the indexes say.

    Raises:
        SourceError: one of them is damaged.
    """
    first: int | None = None
    position = samples = 0
    lost = {"gap": 0, "overflow": 0, "unrecorded": 0}
    ended, error = False, None
    for number in recording.numbers:
        for line in recording.lines(number):
            if isinstance(line, Opened):
                if first is None:
                    first = position = line.start_sample
                lost["unrecorded"] += max(0, line.start_sample - position)
                position = line.start_sample
            elif isinstance(line, Blocks):
                samples += sum(line.samples)
                position += sum(line.samples)
            elif isinstance(line, Lost):
                lost[line.why] += line.samples
                position += line.samples
            elif isinstance(line, Ended):
                ended, error = True, line.error
    return Contents(
        first_sample=first or 0,
        samples=samples,
        gap_samples=lost["gap"],
        overflow_samples=lost["overflow"],
        unrecorded_samples=lost["unrecorded"],
        segments=len(recording.numbers),
        ended=ended,
        error=error,
    )
