"""All that was found, as one record: for programs as it is, for people in sentences."""

from dataclasses import asdict, dataclass
from typing import Any

from streamdeep.bench.load import RING_S
from streamdeep.bench.machine import Machine
from streamdeep.bench.trial import Trial

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found; all figures were measured, none is extrapolated.

    Attributes:
        machine: where.
        model: what it is called, its digest, and what was asked of it.
        hop_ms: one hop between frames.
        held_back_ms: what the resampler holds back at most; 0 without one.
        deadline_ms: the sum of both.
        seconds: of sound measured in each trial.
        latency: one stream, with an early embedding after every frame where the model can.
        trials: every number of streams that was tried, ascending.
        most_streams: the most that were carried; 0 if none was.
        too_many_streams: the fewest above that were not; None if none failed.
        memory_bytes: of the engine with the fewest streams tried, None if the system does not tell.
        memory_per_stream_bytes: of each further one, from there to the most carried.
        warnings: what the reader must know.
    """

    machine: Machine
    model: dict[str, Any]
    hop_ms: float
    held_back_ms: float
    deadline_ms: float
    seconds: float
    latency: Trial
    trials: tuple[Trial, ...]
    most_streams: int
    too_many_streams: int | None
    memory_bytes: int | None
    memory_per_stream_bytes: float | None
    warnings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it, in one."""
        first = self.trials[0]
        who = "One stream uses" if first.n_streams == 1 else f"{first.n_streams} streams use"
        cost = f"{who} {100 * first.engine_core:.1f} % of a core"
        within = f"with the 99th percentile within {self.deadline_ms:g} ms"
        if self.most_streams == 0:
            return f"{cost}; this machine carried none of the numbers of streams tried {within}."
        if self.too_many_streams is None:
            return (
                f"{cost}; this machine carried all that was tried: {self.most_streams:,} streams "
                f"on one core {within}."
            )
        return f"{cost}; this machine carried {self.most_streams:,} streams on one core {within}."

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What else a user wants to know: a name and a clause each."""
        found = []
        if self.held_back_ms:
            found.append(
                (
                    "deadline",
                    f"one hop of {self.hop_ms:g} ms, and up to {self.held_back_ms:g} ms that the resampler holds back; "
                    "sound at the model's rate has no such delay",
                )
            )
        if self.memory_bytes is not None:
            who = "one stream" if self.trials[0].n_streams == 1 else "the fewest streams"
            memory = f"{self.memory_bytes / 1e6:.0f} MB with {who}"
            if self.memory_per_stream_bytes is not None:
                further_kb = self.memory_per_stream_bytes / 1e3
                memory += (
                    f", {further_kb:.0f} kB for each further one ({RING_S:g} s of sound in it)"
                )
            found.append(("memory", memory))
        laps_s = {name: lap_ms / 1000 for name, lap_ms in self.latency.startup_ms.items()}
        found.append(
            (
                "start-up",
                f"{laps_s['all']:.2f} s until the engine listens: import {laps_s['import']:.2f} s, model and its "
                f"proof {laps_s['model']:.2f} s, kernels {laps_s['kernels']:.2f} s",
            )
        )
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"format": FORMAT, "summary": self.sentence, **asdict(self)}
