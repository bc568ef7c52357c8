"""Who does work that comes in pieces: this process, or several others that are started for it.

Processes, not threads: torch has one random state per process, and a piece must not depend on its neighbours.
"""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Any, Generic, ParamSpec, TypeVar

from streamdeep.errors import ConfigurationError

_Piece = ParamSpec("_Piece")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Workers(Generic[_Piece, _Found]):
    """Those who work.

    Attributes:
        work: what they do.
        pool: where they do it; None is here.
    """

    work: Callable[_Piece, _Found]
    pool: ProcessPoolExecutor | None

    def submit(self, *args: _Piece.args, **kwargs: _Piece.kwargs) -> Future[_Found]:
        """Have a piece done; the answer is there at once if the work is done here."""
        if self.pool is not None:
            return self.pool.submit(_work, *args, **kwargs)
        future: Future[_Found] = Future()
        future.set_result(self.work(*args, **kwargs))
        return future


@contextmanager
def workers(work: Callable[_Piece, _Found], jobs: int) -> Iterator[Workers[_Piece, _Found]]:
    """So many workers; none is left over at the end, however it comes.

    Args:
        work: what they do; it travels to each of several once, and what it holds is then that one's own.
        jobs: how many.

    Raises:
        ConfigurationError: the system killed one of them.
    """
    if jobs == 1:
        yield Workers(work, None)
        return
    # spawn: a fork would copy torch's and ONNX Runtime's threads in the middle of their work
    pool = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_open_worker, initargs=(work,)
    )
    try:
        yield Workers(work, pool)
    except BaseException as error:
        for child in active_children():
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ConfigurationError(
                "a process that did a part of the work was killed, perhaps for want of memory; "
                "run it again with fewer --jobs"
            ) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_worker_does: list[Callable[..., Any]] = []  # one per worker process


def _open_worker(work: Callable[..., Any]) -> None:
    _worker_does[:] = [work]
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - its bars would run into each other


def _work(*args: Any, **kwargs: Any) -> Any:
    return _worker_does[0](*args, **kwargs)
