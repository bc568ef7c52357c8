"""One number of streams, tried: engine and subscribers started, everything counted, and a verdict."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamdeep.bench.child import Child
from streamdeep.bench.listen import COLUMNS
from streamdeep.bench.load import LISTENER_STREAMS, Load

PERCENTILES = (50.0, 95.0, 99.0, 99.9)
_PATIENCE_S = 90.0
DISTURBED = 0.05
"""Of the time the engine waited for its core: then figures say little about the machine."""
_DISTRIBUTION_POINTS = 101


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, in milliseconds.

    Attributes:
        n: how many were measured.
        percentiles: of 50, 95, 99 and 99.9; a percentile of which there are too few values to tell (fewer
            than one beyond it) is None.
        largest: of all.
        distribution: 101 values from the least to the largest, equally many measurements apart.
    """

    n: int
    percentiles: Mapping[str, float | None]
    largest: float
    distribution: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a number of streams cost, over the time of measurement.

    Attributes:
        n_streams: how many ran.
        carried: nothing was lost, every sample is accounted for, and the 99th percentile of the latency from
            a segment's last sample to the embedding decoded elsewhere lies within the deadline.
        why_not: one clause, if not carried.
        engine_core: the engine's share of a core, publishing included.
        generator_core: the share that writing the sound took, on another core.
        waited_core: the share of the time in which the engine wanted its core and others had it; None if unknown.
        latency_ms: by stage, ``wire`` and ``total`` among them; empty if no segment was published.
        embeddings: published, partial ones at the end included.
        received: of these, by the subscribers.
        lost_on_the_wire: messages that the subscribers lack.
        captured: samples, over all streams; with the next four, the ledger's identity.
        embedded: samples in at least one embedding.
        skipped: samples that belong in none.
        dropped: samples given up, by reason.
        in_flight: 0, as all streams have ended.
        unaccounted: samples whose whereabouts are unknown; anything but 0 is a bug.
        resident_bytes: of the engine's process at the end, the generator's noise included.
        generator_late_ms: how late the sound was written; p50, p99 and max.
        startup_ms: by part.
    """

    n_streams: int
    carried: bool
    why_not: str | None
    engine_core: float
    generator_core: float
    waited_core: float | None
    latency_ms: Mapping[str, Latency]
    embeddings: int
    received: int
    lost_on_the_wire: int
    captured: int
    embedded: int
    skipped: int
    dropped: Mapping[str, int]
    in_flight: int
    unaccounted: int
    resident_bytes: int | None
    generator_late_ms: Mapping[str, float]
    startup_ms: Mapping[str, float]

    @property
    def p99_ms(self) -> float | None:
        """Of the total; the largest, where there are too few for a percentile."""
        if "total" not in self.latency_ms:
            return None
        total = self.latency_ms["total"]
        p99 = total.percentiles["p99"]
        return total.largest if p99 is None else p99


def run_trial(load: Load, *, deadline_s: float) -> Trial:
    """Carry a load once, in processes of its own; takes a few seconds longer than the load's sound.

    Raises:
        BenchError: a process failed or did not end.
    """
    limit_s = load.lead_s + load.seconds + _PATIENCE_S
    names = load.stream_names
    with ExitStack() as running:
        began_ns = time.monotonic_ns()
        engine = running.enter_context(Child("load", load.to_json(), limit_s=limit_s))
        ready = engine.told()
        total_ms = (time.monotonic_ns() - began_ns) / 1e6
        cores, first = (
            ",".join(map(str, load.other_cores)),
            str(round(load.lead_s * load.sample_rate_hz)),
        )
        listeners = [
            running.enter_context(
                Child("listen", ready["endpoint"], cores, first, ",".join(share), limit_s=limit_s)
            )
            for share in (
                names[at : at + LISTENER_STREAMS] for at in range(0, len(names), LISTENER_STREAMS)
            )
        ]
        outcome = engine.told()
        heard = [listener.told() for listener in listeners]
    startup_ms = {**ready["startup_ms"], "all": round(total_ms, 1)}
    return _judge(load.n_streams, outcome, heard, startup_ms, deadline_s=deadline_s)


def _judge(
    n_streams: int,
    outcome: dict[str, Any],
    heard: list[dict[str, Any]],
    startup_ms: dict[str, float],
    *,
    deadline_s: float,
) -> Trial:
    latency_ms = {
        stage: latency(values)
        for stage in COLUMNS
        if (values := [ns for listener in heard for ns in listener["latencies_ns"][stage]])
    }
    found = Trial(
        n_streams=n_streams,
        carried=True,
        why_not=None,
        latency_ms=latency_ms,
        received=sum(listener["received"] for listener in heard),
        lost_on_the_wire=sum(listener["lost"] + listener["bad"] for listener in heard),
        startup_ms=startup_ms,
        **outcome,
    )
    why_not = _fault(found, deadline_s=deadline_s)
    if why_not is not None:
        why_not += "".join(f"; {excuse}" for excuse in _excuses(found, deadline_s=deadline_s))
    return replace(found, carried=why_not is None, why_not=why_not)


def _fault(trial: Trial, *, deadline_s: float) -> str | None:
    """Why a trial does not count as carried, the gravest reason first."""
    p99_ms = trial.p99_ms
    if trial.unaccounted or trial.in_flight:
        return f"{trial.unaccounted + trial.in_flight} samples unaccounted for: a bug, please report it"
    if trial.dropped:
        reasons = ", ".join(f"{count} ({reason})" for reason, count in trial.dropped.items())
        return f"samples dropped: {reasons}"
    if trial.lost_on_the_wire or trial.received != trial.embeddings:
        return f"{max(trial.lost_on_the_wire, trial.embeddings - trial.received)} messages lost on the wire"
    if p99_ms is None:
        return "no segment ended in the time of measurement"
    if p99_ms > 1000 * deadline_s:
        return f"p99 {p99_ms:.1f} ms is over the deadline of {1000 * deadline_s:.4g} ms"
    return None


def _excuses(trial: Trial, *, deadline_s: float) -> list[str]:
    """What may have been in the way besides the engine's own work."""
    found = []
    if (trial.waited_core or 0.0) > DISTURBED:
        found.append(f"other programs had the engine's core {trial.waited_core:.0%} of the time")
    late_ms = trial.generator_late_ms["p99"]
    if late_ms > 1000 * deadline_s / 2:
        found.append(f"the sound itself came {late_ms:.0f} ms late (p99)")
    return found


def latency(values_ns: list[int]) -> Latency:
    """The distribution of at least one value."""
    values_ms = np.sort(np.asarray(values_ns, dtype=np.float64)) / 1e6
    n = len(values_ms)
    percentiles = {
        f"p{percent:g}": round(float(np.percentile(values_ms, percent)), 4)
        if n * (100 - percent) >= 100 - 1e-6
        else None
        for percent in PERCENTILES
    }
    spread = np.percentile(values_ms, np.linspace(0, 100, _DISTRIBUTION_POINTS))
    return Latency(
        n=n,
        percentiles=percentiles,
        largest=round(float(values_ms[-1]), 4),
        distribution=tuple(round(float(value), 4) for value in spread),
    )
