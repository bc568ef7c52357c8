"""Which segments belong to a stretch of samples: those whose centre lies in it. Pure.

Each segment stands for what is around its centre, as where sounds begin and end is decided
(:mod:`streamdeep.heads.decision`). A stretch too short for any centre gets the one that is nearest, if the two overlap.
"""

from collections.abc import Sequence

from streamdeep.teaching.example import Place


def holds(start_sample: int, stop_sample: int | None, place: Place) -> bool:
    """Whether a segment's centre lies in the stretch; None: it goes on."""
    centre = place.centre_sample
    return start_sample <= centre and (stop_sample is None or centre < stop_sample)


def nearest(start_sample: int, stop_sample: int, places: Sequence[Place]) -> int | None:
    """The index of the segment whose centre is nearest to the stretch's, of those that overlap it; None if none does."""
    middle = (start_sample + stop_sample) // 2
    near = [
        (abs(place.centre_sample - middle), index)
        for index, place in enumerate(places)
        if place.start_sample < stop_sample and place.stop_sample > start_sample
    ]
    return min(near)[1] if near else None


def segments_in(start_sample: int, stop_sample: int, places: Sequence[Place]) -> list[int]:
    """The indices of a stretch's segments, of all that there are."""
    found = [i for i, place in enumerate(places) if holds(start_sample, stop_sample, place)]
    if not found:
        index = nearest(start_sample, stop_sample, places)
        found = [] if index is None else [index]
    return found
