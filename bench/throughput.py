"""How near the encoder comes to what the same library reaches in a bare matrix product."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench.measure import Rounds, time_calls
from bench.networks import BANDS, content, model, multiply_adds
from bench.record import SEED, Part, Picture, Series, Table

BATCHES = (1, 8, 64, 256)
CHUNK_FRAMES = 25
SGEMM_ROWS, SGEMM_DEPTH, SGEMM_COLUMNS = 64, 512, 768
NOBODY = np.empty(0, np.int64)
SGEMM = f"sgemm ({SGEMM_ROWS}, {SGEMM_DEPTH}) x ({SGEMM_DEPTH}, {SGEMM_COLUMNS})"


def options() -> onnxruntime.SessionOptions:
    """As the engine has them: one thread, no spinning."""
    found = onnxruntime.SessionOptions()
    found.intra_op_num_threads = found.inter_op_num_threads = 1
    found.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return found


def sgemm():
    """A product with a constant right side, which the library packs once, through the library itself."""
    random = np.random.default_rng(SEED)
    right = random.uniform(-1, 1, (SGEMM_DEPTH, SGEMM_COLUMNS)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "sgemm",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, ["rows", SGEMM_DEPTH])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, ["rows", SGEMM_COLUMNS])],
        [numpy_helper.from_array(right, "right")],
    )
    opset = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(made)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options(), providers=["CPUExecutionProvider"]
    )
    left = {"left": random.uniform(-1, 1, (SGEMM_ROWS, SGEMM_DEPTH)).astype(np.float32)}
    return lambda: session.run(None, left)


def contenders():
    """Calls, and how many floating-point operations each does in products."""
    calls = {SGEMM: sgemm()}
    work = {SGEMM: 2 * SGEMM_ROWS * SGEMM_DEPTH * SGEMM_COLUMNS}
    for readout in ("pooled", "final"):
        for n_frames in (1, CHUNK_FRAMES):
            for n_rows in BATCHES:
                name = label(readout, n_frames, n_rows)
                calls[name] = step(readout, n_frames, n_rows)
                work[name] = 2 * multiply_adds() * n_frames * n_rows
    return calls, work


def label(readout: str, n_frames: int, n_rows: int) -> str:
    return f"{readout}, {n_frames} frame{'s' * (n_frames > 1)}, {n_rows} row{'s' * (n_rows > 1)}"


def step(readout: str, n_frames: int, n_rows: int):
    encoder, random = model(readout), np.random.default_rng(SEED)
    frames = random.uniform(-1, 1, (n_rows, n_frames, BANDS)).astype(np.float32)
    state = encoder.fresh_state(n_rows)
    return lambda: encoder.step(frames, state, NOBODY)


def operator_shares(readout: str, n_calls: int) -> dict[str, float]:
    """Operator to its share of the time in operators, by ONNX Runtime's own profiler, for steps of 64 rows."""
    with tempfile.TemporaryDirectory() as folder:
        profiled = options()
        profiled.enable_profiling = True
        profiled.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(
            content(readout), profiled, providers=["CPUExecutionProvider"]
        )
        frames = np.random.default_rng(SEED).uniform(-1, 1, (64, 1, BANDS)).astype(np.float32)
        state = model(readout).fresh_state(64)
        for _ in range(n_calls):
            session.run(None, {"frames": frames, "state": state, "emit": NOBODY})
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return {name: time / spent.total() for name, time in spent.most_common()}


def run(quick: bool) -> dict:
    calls, work = contenders()
    rounds = time_calls(calls, n_rounds=2 if quick else 11, n_calls=1 if quick else 7)
    shares = {
        readout: operator_shares(readout, 30 if quick else 300) for readout in ("pooled", "final")
    }
    return part(rounds, work, shares).as_dict()


def part(rounds: Rounds, work: dict[str, int], shares: dict[str, dict[str, float]]) -> Part:
    # GFLOP/s round by round, so that ratios are taken within a round.
    speed = Rounds(
        {name: [work[name] / us / 1000 for us in took] for name, took in rounds.figures.items()}
    )
    rows, values = [[SGEMM, speed[SGEMM].median, speed[SGEMM].quartiles, 1.0, ""]], {}
    lines = []
    for readout in ("pooled", "final"):
        for n_frames in (1, CHUNK_FRAMES):
            names = [label(readout, n_frames, n_rows) for n_rows in BATCHES]
            for name, n_rows in zip(names, BATCHES, strict=True):
                ratio = speed.ratio(name, SGEMM)
                rows.append(
                    [name, speed[name].median, speed[name].quartiles, ratio.median, ratio.quartiles]
                )
                values[f"{readout}_{n_frames}_{n_rows}"] = ratio.median
            lines.append(
                Series(
                    f"{readout}, {n_frames} frame{'s' * (n_frames > 1)} a call",
                    list(BATCHES),
                    [speed[name].median for name in names],
                    [speed[name].low for name in names],
                    [speed[name].high for name in names],
                )
            )
    extra = rounds.ratio(label("pooled", 1, 64), label("final", 1, 64)).median
    values["pooled_over_final"] = extra
    tables = [
        Table(
            "GFLOP/s in the GRU's products",
            "Only the products' multiply-adds are counted, so what is missing to 1 are gates, readout, copies and calls.",
            ["", "GFLOP/s", "quartiles", "x sgemm", "quartiles"],
            rows,
        ),
        Table(
            "What a step of 64 rows spends its time on",
            "Shares by ONNX Runtime's profiler; GRU is the products and gates, all else readout and moving states. A step with "
            f"`pooled` takes {extra:.3g} times one with `final`.",
            ["readout", "operators"],
            [[readout, in_words(found)] for readout, found in shares.items()],
        ),
    ]
    picture = Picture(
        "throughput",
        "The encoder beside a bare product",
        "The line across is what the same library reaches in one product on one thread.",
        "lines",
        "rows",
        "GFLOP/s",
        lines,
        logarithmic="x",
        limits={SGEMM: speed[SGEMM].median},
    )
    return Part(
        "Encoder throughput",
        "Two GRU layers of 256, one thread, hot loop; single steps are what many live streams run, 25 frames a call what files "
        "and catching up do.",
        values,
        tables,
        [picture],
        raw={"us": rounds.figures, "operators": shares},
    )


def in_words(shares: dict[str, float]) -> str:
    told = [f"{name} {100 * share:.0f} %" for name, share in shares.items() if share >= 0.01]
    rest = 1 - sum(share for share in shares.values() if share >= 0.01)
    return ", ".join(told) + (f", others {100 * rest:.0f} %" if rest >= 0.005 else "")
