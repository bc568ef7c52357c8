"""What was promised, and whether a run keeps it: computed from the data, never typed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.measure import number


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise.

    Attributes:
        figure: what is measured.
        part: where.
        value: the part's value of this name.
        least: it must be at least this.
        most: it must be at most this.
        stretch: a further limit on the same side, which is not promised.
        unit: behind the number.
    """

    figure: str
    part: str
    value: str
    least: float | None = None
    most: float | None = None
    stretch: float | None = None
    unit: str = "x"

    @property
    def wanted(self) -> str:
        limit = self.least if self.least is not None else self.most
        side = "at least" if self.least is not None else "at most"
        further = f" (stretch {self.shown(self.stretch)})" if self.stretch is not None else ""
        return f"{side} {self.shown(limit)}{further}" if limit is not None else ""

    def shown(self, value: float) -> str:
        return f"{number(value)}{'' if self.unit == 'x' else ' '}{self.unit}"

    def keeps(self, value: float, *, limit: float | None = None) -> bool:
        """Whether a value is on the right side."""
        if self.least is not None:
            return value >= (self.least if limit is None else limit)
        assert self.most is not None
        return value <= (self.most if limit is None else limit)


GOALS = (
    Goal("front-end per frame: librosa, whole clip in one call", "frontend", "librosa_clip", least=1.9),
    Goal("front-end per frame: scipy, frame by frame", "frontend", "scipy", least=2.8),
    Goal("front-end per frame: kaldi-native-fbank", "frontend", "kaldi", least=9.0),
    Goal("front-end per frame over the bare FFT", "frontend", "over_fft", most=1.8, stretch=1.5),
    Goal("the same, paced", "frontend", "paced_over_fft", most=1.8, stretch=1.5),
    Goal("closing 5 s: whole segment over one step", "segment", "hot_pooled_5s", least=25),
    Goal("the same, paced", "segment", "paced_pooled_5s", least=25),
    Goal("closing 30 s over closing 1 s", "segment", "hot_pooled_growth", most=1.2),
    Goal("the same, paced", "segment", "paced_pooled_growth", most=1.2),
    Goal("block complete to decoded over bare PUB/SUB, p50, tcp", "endtoend", "tcp_over_bare", most=8, stretch=6),
    Goal("the same, ipc", "endtoend", "ipc_over_bare", most=8, stretch=6),
    Goal("block complete to decoded, p99, tcp", "endtoend", "tcp_p99_ms", most=40, unit="ms"),
    Goal("the same, ipc", "endtoend", "ipc_p99_ms", most=40, unit="ms"),
    Goal("live streams on one core, starts spread", "capacity", "spread_carried", least=1000, unit="streams"),
    Goal("the same, spread over a segment (nothing promised)", "capacity", "apart_carried", unit="streams"),
    Goal("the same, all in phase (nothing promised)", "capacity", "in_phase_carried", unit="streams"),
    Goal("live streams resampled from 48 kHz", "capacity", "resampled_carried", least=500, unit="streams"),
    Goal("live streams with 5 lanes", "capacity", "lanes_carried", least=400, unit="streams"),
    Goal("CPU per stream, 1,000 streams over 100", "capacity", "growth", most=1.0),
    Goal("encoder GFLOP/s over sgemm, steps of 64 rows", "throughput", "pooled_1_64", least=0.9),
    Goal("`run` to its first embedding, warm cache, beyond the segment", "coldstart", "warm_s", most=2.5, unit="s"),
    Goal("import of a listener", "coldstart", "listener_s", most=0.25, unit="s"),
    Goal("resident memory, engine with one stream", "memory", "one_mb", most=200, unit="MB"),
    Goal("each further stream with 1 s of ring, model's rate", "memory", "direct_kb", most=250, unit="kB"),
    Goal("each further stream with 1 s of ring, resampled", "memory", "resampled_kb", most=450, unit="kB"),
)  # fmt: skip


def judged(goal: Goal, parts: Mapping[str, Any]) -> tuple[str, str]:
    """What was found, and the mark."""
    part = parts.get(goal.part, {"failed": "was not run"})
    if "failed" in part:
        return "", f"not measured: {goal.part} {part['failed']}"
    value = part["values"].get(goal.value)
    if value is None:
        return "", "not measured, see the notes"
    if goal.least is None and goal.most is None:
        return goal.shown(value), ""
    if not goal.keeps(value):
        return goal.shown(value), "**not reached**"
    beyond = goal.stretch is not None and goal.keeps(value, limit=goal.stretch)
    return goal.shown(value), "reached, and the stretch" if beyond else "reached"
