"""All trials in their order.

First the latency of one stream, with an early embedding after every frame where the model can give them: a
segment a second would leave too few values for a 99th percentile. Then what one stream costs without these, and
then ever more streams.
"""

from collections.abc import Callable
from typing import Any

from streamdeep.bench.cores import choose_cores
from streamdeep.bench.machine import this_machine
from streamdeep.bench.plan import Plan
from streamdeep.bench.report import Report
from streamdeep.bench.search import search
from streamdeep.bench.trial import DISTURBED, Trial, run_trial

_FIRST_SHARE = 0.25
"""Of a core, by the cost of one stream: where the search begins."""


def measure(
    plan: Plan,
    *,
    before: Callable[[str, float], None] = lambda what, seconds: None,
    after: Callable[[Trial], None] = lambda trial: None,
) -> Report:
    """Run all trials.

    Args:
        plan: checked.
        before: called with what comes, and how much sound that is in seconds.
        after: called with each number of streams tried.

    Raises:
        BenchError: a process failed.
    """
    machine = this_machine(choose_cores())
    tried: dict[int, Trial] = {}
    sound_s = plan.segment_s + plan.seconds

    def carries(n_streams: int) -> bool:
        if n_streams not in tried:
            before(f"{n_streams:,} stream{'s' if n_streams > 1 else ''}", sound_s)
            tried[n_streams] = run_trial(plan.load(n_streams), deadline_s=plan.deadline_s)
            after(tried[n_streams])
        return tried[n_streams].carried

    before("latency of one stream", sound_s)
    latency = run_trial(plan.latency_load, deadline_s=plan.deadline_s)
    if plan.streams:
        for n_streams in plan.streams:
            carries(n_streams)
    elif carries(1):
        share = max(1.0, _FIRST_SHARE / tried[1].engine_core)
        search(carries, first=max(2, 1 << int(share).bit_length() - 1), most=plan.most_streams)
    trials = sorted(tried.values(), key=lambda trial: trial.n_streams)
    carried = [trial for trial in trials if trial.carried]
    most = max((trial.n_streams for trial in carried), default=0)
    beyond = [trial.n_streams for trial in trials if not trial.carried and trial.n_streams > most]
    first = trials[0]
    return Report(
        machine=machine,
        model=_model(plan),
        hop_ms=round(1000 * plan.hop_s, 3),
        held_back_ms=round(1000 * plan.held_back_s, 1),
        deadline_ms=round(1000 * plan.deadline_s, 1),
        seconds=plan.seconds,
        latency=latency,
        trials=tuple(trials),
        most_streams=most,
        too_many_streams=min(beyond, default=None),
        memory_bytes=first.resident_bytes,
        memory_per_stream_bytes=_per_stream(first, carried[-1] if carried else first),
        warnings=(
            *([plan.model.complaint] if plan.model.complaint else []),
            *machine.warnings,
            *_disturbed((latency, *trials)),
        ),
    )


def _disturbed(trials: tuple[Trial, ...]) -> list[str]:
    most = max(trial.waited_core or 0.0 for trial in trials)
    if most <= DISTURBED:
        return []
    return [
        f"other programs had the engine's core up to {most:.0%} of the time while it wanted it: "
        "measure again on an idle machine"
    ]


def _per_stream(first: Trial, last: Trial) -> float | None:
    if first.resident_bytes is None or last.resident_bytes is None:
        return None
    further = last.n_streams - first.n_streams
    return (last.resident_bytes - first.resident_bytes) / further if further > 0 else None


def _model(plan: Plan) -> dict[str, Any]:
    contract = plan.model.contract
    return {
        "name": contract.name,
        "sha256": plan.model.digest.hex(),
        "incremental": plan.model.incremental,
        "sample_rate_hz": contract.frontend.sample_rate_hz,
        "segment_s": round(plan.segment_s, 6),
        "segment_hop_s": round(plan.segment_hop_s, 6),
        "source_rate_hz": plan.sample_rate_hz,
        "source_channels": plan.n_channels,
    }
