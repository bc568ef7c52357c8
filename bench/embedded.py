"""What the embedded model costs live, beside the network that the goals were set for: the same stream, the same calls."""

import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bench.measure import Rounds, in_rounds, time_calls
from bench.networks import model
from bench.record import SEED, Part, Table
from streamdeep.encoder.model import Model, default_model_path, load_model
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block

RATE_HZ, BLOCK_SAMPLES = 44_100, 441
BLOCK_S = BLOCK_SAMPLES / RATE_HZ
EMBEDDED, GRU = "embedded model", "GRU of 2x256, pooled"
ROWS = (1, 5, 64)
NOBODY = np.empty(0, np.int64)


def _blocks() -> Iterator[Block]:
    random = np.random.default_rng(SEED)
    for number in itertools.count():
        samples = random.uniform(-0.1, 0.1, (BLOCK_SAMPLES, 1)).astype(np.float32)
        yield Block(samples, number * BLOCK_SAMPLES)


@dataclass
class Stream:
    """One live stream of noise through the whole pipeline, in blocks of 10 ms.

    Attributes:
        pipeline: on its way; its first segments are behind it.
        blocks: without end.
        closing_us: how long the paced blocks took that ended a segment.
    """

    pipeline: Pipeline
    blocks: Iterator[Block] = field(default_factory=_blocks)
    closing_us: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, encoder: Model) -> "Stream":
        frontend = encoder.contract.frontend
        hop_frames = frontend.sample_rate_hz // frontend.hop_samples  # 1 s
        found = cls(Pipeline(encoder, RATE_HZ, 1, hop_frames=hop_frames))
        found.spend_ms(6.0, pause_s=0.0)
        return found

    def spend_ms(self, sound_s: float, *, pause_s: float) -> float:
        """Milliseconds that a second of sound takes; asleep before each block if asked to, which also tells of closing ones."""
        n_blocks, spent_ns = round(sound_s / BLOCK_S), 0
        for block in itertools.islice(self.blocks, n_blocks):
            if pause_s:
                time.sleep(pause_s)
            began_ns = time.perf_counter_ns()
            embeddings = self.pipeline.push(block)
            took_ns = time.perf_counter_ns() - began_ns
            spent_ns += took_ns
            if embeddings and pause_s:
                self.closing_us.append(took_ns / 1000)
        return spent_ns / 1e6 / sound_s


def run(quick: bool) -> dict:
    models = {EMBEDDED: load_model(default_model_path()), GRU: model("pooled")}
    streams = {name: Stream.of(encoder) for name, encoder in models.items()}
    n_rounds, sound_s = (3, 1.0) if quick else (9, 3.0)
    paced, hot = (
        in_rounds(
            {
                name: lambda stream=stream, pause_s=pause_s: stream.spend_ms(
                    sound_s, pause_s=pause_s
                )
                for name, stream in streams.items()
            },
            n_rounds=n_rounds,
        )
        for pause_s in (BLOCK_S, 0.0)
    )
    steps, shares = {}, {}
    for name, encoder in models.items():
        random = np.random.default_rng(SEED)
        n_features = encoder.contract.frontend.n_features
        for n_rows in ROWS:
            frames = random.uniform(-1.0, 1.0, (n_rows, 1, n_features)).astype(np.float32)
            state, called = encoder.fresh_state(n_rows), f"{name}, {n_rows}"
            steps[called] = lambda encoder=encoder, frames=frames, state=state: encoder.step(
                frames, state, NOBODY
            )
            shares[called] = n_rows
    rows = time_calls(steps, n_rounds=n_rounds, n_calls=5 if quick else 25, shares=shares)
    return part(models, streams, paced, hot, rows).as_dict()


def part(
    models: dict[str, Model],
    streams: dict[str, Stream],
    paced: Rounds,
    hot: Rounds,
    rows: Rounds,
) -> Part:
    def live(rounds: Rounds) -> list[list]:
        return [
            [name, rounds[name].median, rounds[name].quartiles, rounds.ratio(name, GRU).median]
            for name in models
        ]

    closing = {name: statistics.median(stream.closing_us) for name, stream in streams.items()}
    head = ["", "ms a second of sound", "quartiles", "x GRU"]
    tables = [
        Table(
            "A live stream: window, front-end and encoder, paced",
            "Blocks of 10 ms with sleep between, segments of 5 s every 1 s; 10 ms a second are one hundredth of a core.",
            [*head, "block that closes a segment, us"],
            [[*row, closing[row[0]]] for row in live(paced)],
        ),
        Table("The same, hot loop", "As a file is read, but block by block.", head, live(hot)),
        Table(
            "A frame in the encoder, hot loop",
            "Microseconds a row; a live stream with five segments open has five rows.",
            ["", *(f"{n_rows} rows" if n_rows > 1 else "1 row" for n_rows in ROWS)],
            [[name, *(rows[f"{name}, {n}"].median for n in ROWS)] for name in models],
        ),
        Table(
            "Sizes",
            "A message also has a header of some hundred bytes.",
            ["", "frames a second", "embedding, kB", "state of a segment, kB"],
            [
                [
                    name,
                    found.contract.frontend.sample_rate_hz / found.contract.frontend.hop_samples,
                    found.contract.encoder.dim * 4 / 1000,
                    found.contract.encoder.state_width * 4 / 1000,
                ]
                for name, found in models.items()
            ],
        ),
    ]
    return Part(
        "The embedded model",
        "The dictionaries that the package comes with, beside the network that every other part runs and the goals were set for. They see other frames: the dictionaries 50 a "
        "second in two Mel banks, the GRU 25 in one.",
        {
            "paced_over_gru": paced.ratio(EMBEDDED, GRU).median,
            "hot_over_gru": hot.ratio(EMBEDDED, GRU).median,
        },
        tables,
        raw={"paced_ms": paced.figures, "hot_ms": hot.figures, "rows_us": rows.figures},
    )
