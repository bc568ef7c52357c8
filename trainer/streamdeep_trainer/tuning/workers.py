"""Who does the trials' work: this process, or several others that are started for it.

Processes, not threads: torch has one random state per process, and a trial must not depend on its neighbours.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.tuning.bench import Bench, attempt
from streamdeep_trainer.tuning.trials import Measured


@dataclass(frozen=True, slots=True)
class Workers:
    """Those who work.

    Attributes:
        bench: what they work on.
        pool: where they do; None is here.
    """

    bench: Bench
    pool: ProcessPoolExecutor | None

    def submit(self, recipe: Recipe, place: Path) -> Future[Measured | str]:
        """Have a recipe measured; the answer is there at once if the work is done here."""
        if self.pool is not None:
            return self.pool.submit(_work, recipe, place)
        future: Future[Measured | str] = Future()
        future.set_result(attempt(self.bench, recipe, place))
        return future


@contextmanager
def workers(bench: Bench, jobs: int) -> Iterator[Workers]:
    """So many workers; none is left over at the end, however it comes.

    Raises:
        ConfigurationError: the system killed one of them.
    """
    if jobs == 1:
        yield Workers(bench, None)
        return
    # spawn: a fork would copy torch's and ONNX Runtime's threads in the middle of their work
    pool = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_open_worker, initargs=(bench,)
    )
    try:
        yield Workers(bench, pool)
    except BaseException as error:
        for child in active_children():
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ConfigurationError(
                "a process that worked on a trial was killed, perhaps for want of memory; "
                "run it again with fewer --jobs"
            ) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_worker_bench: list[
    Bench
] = []  # one per worker process, so that untrained twins are measured once in each


def _open_worker(bench: Bench) -> None:
    _worker_bench[:] = [bench]
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - its bars would run into each other


def _work(recipe: Recipe, place: Path) -> Measured | str:
    return attempt(_worker_bench[0], recipe, place)
