"""Model and head on this machine: do they load, do they belong together, and what does a stream cost."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from streamdeep.bench.plan import Plan
from streamdeep.bench.trial import DISTURBED, run_trial
from streamdeep.doctor.finding import Finding, State
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ModelError, StreamdeepError
from streamdeep.heads.head import load_head

SPEED_S: Final = 3.0


def model(path: Path | None) -> tuple[Finding, Model | None]:
    """Load a model and have it prove itself; None takes the embedded one."""
    began_s = time.monotonic()
    try:
        loaded = load_model(path)
    except (StreamdeepError, OSError) as error:
        fix = (
            "streamdeep verify " + str(path) if path else "pip install --force-reinstall streamdeep"
        )
        return Finding("model", "broken", str(error), fix), None
    told = f"{loaded.contract.name} ({loaded.digest.hex()[:16]})"
    if loaded.complaint is not None:
        message = f"{told}: {loaded.complaint}"
        return Finding("model", "look here", message, "pip install --upgrade onnxruntime"), loaded
    took_s = time.monotonic() - began_s
    return Finding("model", "ok", f"{told} is whole and proved parity in {took_s:.1f} s"), loaded


def head(path: Path | None, beside: Model) -> Finding:
    """Load a head and see whether it is one for this model; None takes the embedded one."""
    try:
        loaded = load_head(path)
        told = f"{loaded.name}: {len(loaded.contract.labels)} labels"
        loaded.check(beside.digest)
    except ModelError as error:
        if path is None:
            return Finding(
                "head",
                "look here",
                "the embedded head is for the embedded model, not for this one",
                "streamdeep classify --head YOURS.onnx, trained with `streamdeep-train head`",
            )
        return Finding("head", "broken", str(error), "streamdeep inspect " + str(path))
    except OSError as error:
        return Finding("head", "broken", str(error), "correct --head")
    return Finding("head", "ok", f"{told}, for this model")


def speed(loaded: Model, path: Path | None) -> Finding:
    """What one live stream costs on one core; paced, because a hot loop flatters. Takes a segment and 3 s."""
    frontend = loaded.contract.frontend
    plan = Plan(
        model=loaded,
        path=path,
        sample_rate_hz=frontend.sample_rate_hz,
        n_channels=1,
        hop_frames=None,
        seconds=SPEED_S,
        streams=(1,),
    )
    plan = replace(plan, seconds=max(SPEED_S, plan.segment_hop_s))
    try:
        plan.check()
        trial = run_trial(plan.latency_load, deadline_s=plan.deadline_s)
    except StreamdeepError as error:
        return Finding("speed", "look here", str(error), "streamdeep bench")
    share = 100 * trial.engine_core
    p99 = "" if trial.p99_ms is None else f", embeddings come after {trial.p99_ms:.1f} ms (p99)"
    message = f"a live stream takes at most {share:.1f} % of a core{p99}"
    values = {"percent_of_a_core": round(share, 2), "p99_ms": trial.p99_ms}
    if trial.carried:
        return Finding("speed", "ok", message, values=values)
    busy = (trial.waited_core or 0.0) > DISTURBED
    state: State = "look here" if busy or trial.engine_core < 1 else "broken"
    fix = "run it again on an idle machine" if busy else "streamdeep bench"
    return Finding("speed", state, f"{message}: {trial.why_not}", fix, values)


def seconds_of_sound(loaded: Model) -> float:
    """How long :func:`speed` takes at the least."""
    frontend, segment = loaded.contract.frontend, loaded.contract.segment
    return frontend.span_samples(segment.length_frames) / frontend.sample_rate_hz + SPEED_S
