"""Where training runs: in this process on one device, or in a process for each of several.

The only module that opens Fabric. A rank that fails ends all of them, and its own reason is what the user
reads, not the broken connection that the others see. Not here: what the ranks do (``loop``).
"""

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep_trainer.config import FitRecipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

# What went as planned, and what is said better here, is no news. Set on import, because a rank connects
# before it runs anything else of ours.
for _module in (
    "fabric.utilities.rank_zero",
    "fabric.utilities.distributed",
    "pytorch.utilities.rank_zero",
):
    logging.getLogger(f"lightning.{_module}").setLevel(logging.WARNING)
logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)

_INTERRUPTED = 130
_GRACE_S = 3.0
_REASON_LENGTH = 500
"""One write to a pipe of at most 4096 bytes is whole or not there."""


def check_devices(recipe: FitRecipe) -> None:
    """Refuse what this machine does not have.

    Raises:
        ConfigurationError: too few CUDA devices, or float16 without one.
    """
    n_cuda = 0 if recipe.accelerator == "cpu" else torch.cuda.device_count()
    if n_cuda < recipe.devices and (recipe.accelerator == "cuda" or n_cuda):
        raise ConfigurationError(
            f"[fit] devices = {recipe.devices}, and this machine has {n_cuda} CUDA devices"
        )
    if recipe.precision == "16-mixed" and not n_cuda:
        raise ConfigurationError(
            '[fit] precision = "16-mixed" needs a CUDA device; "bf16-mixed" runs on a CPU too'
        )


def on_devices(recipe: FitRecipe, function: Callable[["Fabric"], None]) -> None:
    """Run a function on every device at once; returns when all are done.

    Args:
        recipe: which devices, how many, and the precision.
        function: called as ``function(fabric)`` in every rank; where there are several, it must pickle and
            each runs in its own new process.

    Raises:
        StreamdeepError: a rank's own, or one line about the rank that failed.
    """
    from lightning.fabric import Fabric  # 1 to 10 s to import, needed here alone
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    several = recipe.devices > 1
    fabric = Fabric(
        accelerator=recipe.accelerator,
        devices=recipe.devices,
        precision=recipe.precision,
        strategy="ddp_spawn" if several else "auto",
        plugins=[LightningEnvironment()] if several else None,  # this machine, whoever started us
    )
    if not several:
        fabric.launch(function)
        return
    # Fabric's own channel is read only when all ranks are done, and says nothing of those that failed.
    failures = multiprocessing.get_context("spawn").SimpleQueue()
    with _processes_ended():
        try:
            fabric.launch(partial(_rank, function, failures))
        except (ProcessRaisedException, ProcessExitedException) as error:
            rank: int = error.error_index
            reason: str | BaseException = error.msg.strip().splitlines()[-1]
            if not failures.empty():
                rank, reason = failures.get()  # the first that failed
            if isinstance(reason, BaseException):
                raise reason from error
            raise StreamdeepError(
                f"training process {rank} of {recipe.devices} failed: {reason}; "
                "the last checkpoint is whole, go on from it with --resume"
            ) from error


def _rank(function: Callable[["Fabric"], None], failures: Any, fabric: "Fabric") -> None:
    try:
        function(fabric)
    except KeyboardInterrupt as interrupt:
        failures.put((fabric.global_rank, interrupt))
        # Torch takes an interrupt for success, and a leave-taking would wait for ranks that are gone.
        os._exit(_INTERRUPTED)
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0][:_REASON_LENGTH]
        failures.put((fabric.global_rank, error if isinstance(error, StreamdeepError) else text))
        raise


@contextmanager
def _processes_ended() -> Iterator[None]:
    """However it ends, no process of it outlives this, and no port is kept for the next run."""
    before = set(multiprocessing.active_children())
    port = os.environ.get("MASTER_PORT")
    try:
        yield
    finally:
        if port is None:
            os.environ.pop("MASTER_PORT", None)
        left = set(multiprocessing.active_children()) - before
        late_s = time.monotonic() + _GRACE_S
        for process in left:  # Ctrl-C has reached them too
            process.join(max(0.0, late_s - time.monotonic()))
        for process in left:
            process.terminate()
            process.join()
