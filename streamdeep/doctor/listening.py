"""Some seconds of a source, for ``hearing``."""

import platform
import shlex
import threading
import time
from collections.abc import Callable
from typing import Final

from streamdeep.audio.ring import single_ring
from streamdeep.doctor.finding import Finding
from streamdeep.doctor.hearing import Advice, Hearing
from streamdeep.encoder.contract import Contract
from streamdeep.errors import SourceError
from streamdeep.intake.opening import open_source

LISTEN_S: Final = 10.0
_RING_S: Final = 2
_PATIENCE_S: Final = 5.0
"""A source from which nothing comes for so long is given up."""


def listen(
    source: str,
    contract: Contract,
    *,
    progress: Callable[[float], None] = lambda seconds: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Finding]:
    """Listen to a source for ten seconds, or to its end.

    Args:
        source: as of ``run``.
        contract: of the model that is to hear it.
        progress: told how many seconds have come.
        stopped: ends it.

    Raises:
        StreamdeepError: the source cannot be had.
    """
    opened = open_source(source, model_rate_hz=contract.frontend.sample_rate_hz, pace="max")
    rate_hz = opened.sample_rate_hz
    wake = threading.Event()
    ring = single_ring(_RING_S * rate_hz, opened.n_channels, rate_hz, wake=wake.set)
    hearing, missing, lost = Hearing(rate_hz, opened.n_channels), round(LISTEN_S * rate_hz), 0
    opened.start(ring)
    last_s = time.monotonic()
    try:
        while missing and not ring.ended and not stopped():
            wake.wait(0.1)
            wake.clear()
            while missing and (block := ring.read(missing)) is not None:
                hearing.push(block.samples)
                missing -= len(block.samples)
                lost += block.gap_samples or 0
                last_s = time.monotonic()
            progress(LISTEN_S - missing / rate_hz)
            if time.monotonic() - last_s > _PATIENCE_S:
                break
    finally:
        opened.stop()
        ring.close()
    failure: Exception | None = ring.error  # set by the source's thread
    if isinstance(failure, SourceError) and missing == round(LISTEN_S * rate_hz):
        raise failure
    findings = hearing.findings(contract, advice_for(source))
    if lost:
        message = f"{lost} samples were lost on their way"
        findings.append(Finding("gaps", "look here", message, "docs/microphone.md says why"))
    return findings


def advice_for(source: str) -> Advice:
    """How to mend what is heard from a source."""
    run = f"streamdeep run {shlex.quote(source)}"
    if not source.startswith("mic"):
        return Advice(
            run=run,
            louder="record it louder",
            quieter="record it with less gain",
            wake=f"listen to {source} yourself: does it play?",
        )
    if platform.system() == "Linux":
        return Advice(
            run=run,
            louder="pactl set-source-volume @DEFAULT_SOURCE@ +20%",
            quieter="pactl set-source-volume @DEFAULT_SOURCE@ -20%",
            wake="pactl set-source-mute @DEFAULT_SOURCE@ 0; `streamdeep devices` lists the other inputs",
        )
    return Advice(
        run=run,
        louder="turn the input up in the system's sound settings",
        quieter="turn the input down in the system's sound settings",
        wake="unmute it, and allow this program to use it in the privacy settings; `streamdeep devices` lists all",
    )
