"""Which numbers of streams to try: doubled until one is too many, then bisected a little."""

from collections.abc import Callable

MOST_STREAMS = 8192
BISECTIONS = 3
"""Leaves 9 % between the most that were carried and the fewest that were not."""


def search(
    carries: Callable[[int], bool], *, first: int, most: int = MOST_STREAMS
) -> tuple[int, int | None]:
    """Find how many are carried, by trying.

    Args:
        carries: tries a number of streams; asked once for each.
        first: the number to begin with, at least 1.
        most: never tried beyond.

    Returns:
        The most that were carried, 0 if not even one was; and the fewest above that were not, or None if
        ``most`` were carried.
    """
    carried, failed = 0, None
    n_streams = min(first, most)
    while failed is None and carried < most:
        if carries(n_streams):
            carried, n_streams = n_streams, min(2 * n_streams, most)
        else:
            failed = n_streams
    while failed is not None and carried == 0 and failed > 1:
        n_streams = failed // 2
        if carries(n_streams):
            carried = n_streams
        else:
            failed = n_streams
    for _ in range(BISECTIONS):
        if failed is None or carried == 0:
            break
        between = round((carried * failed) ** 0.5)
        if not carried < between < failed:
            break
        if carries(between):
            carried = between
        else:
            failed = between
    return carried, failed
