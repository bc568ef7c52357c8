"""Work on many things in several processes, such that one that kills its process stops nothing else.

A decoder may crash on a damaged file, and the system may kill what takes too much memory; then Python's pool
is lost with all that was in flight. Those are done again, one at a time, so that it is known which one it is.
Not here: what the work is.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

KILLED = "its process was killed: the decoder crashed, or memory ran out"


def each(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], *, jobs: int
) -> Iterator[tuple[int, _Result | str]]:
    """Do all tasks, in any order.

    Args:
        work: what to do with each; with several processes it and its result must be sendable. What it
            raises ends everything.
        tasks: each is done once, or again if a process was killed.
        jobs: processes; 1 is this one, which nothing protects.

    Yields:
        Index of a task, and its result or :data:`KILLED`.
    """
    if jobs == 1:
        for index, task in enumerate(tasks):
            yield index, work(task)
        return
    waiting = deque(enumerate(tasks))
    while waiting:
        suspects = yield from _until_broken(work, waiting, jobs, 4 * jobs)
        while suspects:
            # One worker and one task in flight: whoever is left is the culprit.
            culprits = yield from _until_broken(work, suspects, 1, 1)
            yield from ((index, KILLED) for index, _ in culprits)


def _until_broken(
    work: Callable[[_Task], _Result], waiting: deque[tuple[int, _Task]], jobs: int, n_ahead: int
) -> Generator[tuple[int, _Result | str], None, deque[tuple[int, _Task]]]:
    """Take from ``waiting`` until it is empty or the pool is lost; return what was then in flight."""
    lost: deque[tuple[int, _Task]] = deque()
    # spawn: a fork would copy threads in the middle of their work
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_open_worker)
    running: dict[Future[_Result], tuple[int, _Task]] = {}
    try:
        while (waiting and not lost) or running:
            while waiting and not lost and len(running) < n_ahead:
                item = waiting.popleft()
                try:
                    running[pool.submit(work, item[1])] = item
                except BrokenProcessPool:  # lost since the last look
                    lost.append(item)
                    break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    lost.append(item)
                    continue
                yield item[0], result
    finally:
        pool.shutdown(cancel_futures=True)
    return lost


def _open_worker() -> None:
    # Ctrl-C goes to all processes of a terminal; the first one tells the others to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that is killed tells nobody, and its workers would wait for ever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
