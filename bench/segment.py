"""How long a segment takes to close: one carried step, or the whole segment again; 1 to 30 s."""

import numpy as np
import torch

from bench.measure import HOP_S, Rounds, time_calls
from bench.networks import BANDS, HOP_FRAMES_PER_S, model
from bench.record import SEED, Part, Picture, Series, Table
from bench.twin import Twin

LENGTHS_S = (1, 5, 10, 30)
STEP, ONNX, TORCH = "one carried step", "ONNX Runtime, whole", "torch nn.GRU, whole"
NOBODY, ONE = np.empty(0, np.int64), np.zeros(1, np.int64)


def contenders(readout: str, length_s: int):
    """The same segment closed in three ways; all give the same embedding, which is checked here."""
    torch.set_num_threads(1)
    n_frames = length_s * HOP_FRAMES_PER_S
    encoder, twin = model(readout), Twin(readout).eval()
    random = np.random.default_rng(SEED)
    frames = random.uniform(-1.0, 1.0, (1, n_frames, BANDS)).astype(np.float32)
    before, _ = encoder.step(frames[:, :-1].copy(), encoder.fresh_state(1), NOBODY)
    last, tensor = frames[:, -1:].copy(), torch.from_numpy(frames)

    def whole_in_torch():
        with torch.inference_mode():
            return twin(tensor).numpy()

    calls = {
        STEP: lambda: encoder.step(last, before, ONE)[1],
        ONNX: lambda: encoder.encode(frames),
        TORCH: whole_in_torch,
    }
    if not np.array_equal(calls[STEP](), calls[ONNX]()):
        raise AssertionError("the carried step gives another embedding than the whole segment")
    if not np.allclose(calls[STEP](), calls[TORCH](), atol=1e-4):
        raise AssertionError("torch gives another embedding")
    return calls


def run(quick: bool) -> dict:
    n_rounds, n_calls = (3, 3) if quick else (11, 5)
    paced, hot = {}, {}
    for readout in ("pooled", "final"):
        # All lengths in the same rounds, since they are compared with each other.
        calls = {
            f"{name}, {length_s} s": call
            for length_s in LENGTHS_S
            for name, call in contenders(readout, length_s).items()
        }
        pause_s = 0.005 if quick else HOP_S
        paced[readout] = time_calls(calls, n_rounds=n_rounds, n_calls=n_calls, pause_s=pause_s)
        hot[readout] = time_calls(calls, n_rounds=n_rounds, n_calls=3 if quick else 11)
    return part(paced, hot).as_dict()


def part(paced: dict[str, Rounds], hot: dict[str, Rounds]) -> Part:
    tables, values = [], {}
    for pace, found in (("paced", paced), ("hot", hot)):
        for readout, rounds in found.items():
            rows = []
            for length_s in LENGTHS_S:
                step, onnx, other = (f"{name}, {length_s} s" for name in (STEP, ONNX, TORCH))
                ratio = rounds.ratio(onnx, step)
                rows.append(
                    [
                        f"{length_s} s",
                        rounds[step].median,
                        rounds[step].quartiles,
                        rounds[onnx].median,
                        ratio.median,
                        ratio.quartiles,
                        rounds[other].median,
                        rounds.ratio(other, step).median,
                    ]
                )
                values[f"{pace}_{readout}_{length_s}s"] = ratio.median
            growth = rounds.ratio(f"{STEP}, 30 s", f"{STEP}, 1 s").median
            values[f"{pace}_{readout}_growth"] = growth
            tables.append(
                Table(
                    f"Readout `{readout}`, {'paced at the frame hop' if pace == 'paced' else 'hot loop'}",
                    "How many times longer than the carried step it takes to run the segment again, for the same embedding.",
                    [
                        "segment",
                        "step, us",
                        "quartiles",
                        "whole ONNX, us",
                        "x step",
                        "quartiles",
                        "whole torch, us",
                        "x step",
                    ],
                    rows,
                )
            )
    lines = [
        Series(
            name,
            list(LENGTHS_S),
            [paced["pooled"][f"{name}, {length_s} s"].median for length_s in LENGTHS_S],
            [paced["pooled"][f"{name}, {length_s} s"].low for length_s in LENGTHS_S],
            [paced["pooled"][f"{name}, {length_s} s"].high for length_s in LENGTHS_S],
        )
        for name in (STEP, ONNX, TORCH)
    ]
    picture = Picture(
        "segment",
        "From a segment's last frame to its embedding, paced",
        "The carried step has nothing that depends on the length; the others run the whole segment again.",
        "lines",
        "segment, s",
        "us",
        lines,
        logarithmic="xy",
    )
    return Part(
        "Closing a segment",
        "Two GRU layers of 256, one row. The time is from the last frame to the embedding; the frames before were consumed when "
        "they came. The peers are the same graph in ONNX Runtime with one thread, and the same weights in torch's nn.GRU; before "
        "timing, all three are checked to give the same embedding.",
        values,
        tables,
        [picture],
        raw={
            "paced_us": {readout: rounds.figures for readout, rounds in paced.items()},
            "hot_us": {readout: rounds.figures for readout, rounds in hot.items()},
        },
    )
