"""Patches of consecutive frames times constant matrices: shifted slices side by side, no convolution.

The state keeps the frames that the next patches still look at. What stands before a segment's first frame is
that frame, repeated, as if the sound had been the same before: no patch of any segment holds a step that is
not in the sound. Not here: what the products are pooled to (``readouts``), and learning (``clustering``).
"""

import numpy as np

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.cells import Ran
from streamdeep_trainer.graph.weights import PatchWeights


def write_patches(build: Builder, weights: PatchWeights, state: str | None) -> Ran:
    """Every patch that ends with a given frame, times its matrices.

    Args:
        build: where nodes go.
        weights: of all lengths.
        state: ``(batch, width)``, which begins with the frames before and then a count of frames; None: the
            whole segment is there.

    Returns:
        The outputs of each length, ``(time, batch, atoms)``, and the frames before to be kept in the state.
    """
    n_before = weights.n_before
    steps = build.node("Transpose", "frames", perm=[1, 0, 2])  # (time, batch, features)
    if n_before:
        before = build.node("Transpose", _frames_before(build, weights, state), perm=[1, 0, 2])
        steps = build.joined([before, steps], 0)
    outputs = []
    for matrices, bias, n_frames in zip(
        weights.matrices, weights.biases, weights.n_frames, strict=True
    ):
        slices = [
            _shifted(build, steps, n_before - later, later) for later in range(n_frames - 1, -1, -1)
        ]
        product = build.joined(slices, 2)  # (time, batch, frames * features)
        for number, matrix in enumerate(matrices):
            name = f"patch{n_frames}_W{number}"
            product = build.node("MatMul", product, build.constant(name, matrix))
        response = build.node("Add", product, build.constant(f"patch{n_frames}_b", bias))
        outputs += _rectified(build, weights, response)
    if not n_before or state is None:
        return Ran(outputs, [])
    by_lane = build.node("Transpose", _rows(build, steps, -n_before, None), perm=[1, 0, 2])
    kept = build.node("Reshape", by_lane, build.integers(-1, weights.state_width))
    return Ran(outputs, [kept])


def _frames_before(build: Builder, weights: PatchWeights, state: str | None) -> str:
    """``(batch, before, features)``."""
    n_before, axis = weights.n_before, build.integers(1)
    shape = build.integers(-1, n_before, weights.n_features)
    first = build.node("Slice", "frames", build.integers(0), build.integers(1), axis)
    if state is None:
        before = build.joined([first] * n_before, 2)
    else:
        count = build.columns(state, weights.state_width, weights.state_width + 1)
        fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
        fresh = build.node("Unsqueeze", fresh, axis)  # (batch, 1, 1)
        kept = build.node("Reshape", build.columns(state, 0, weights.state_width), shape)
        before = build.node("Where", fresh, first, kept)
    # Its length is said once more, for those who bound how long a Scan may take (``streamdeep.onnxscan``).
    found: str = build.node("Reshape", before, shape)
    return found


def _shifted(build: Builder, joined: str, start: int, later: int) -> str:
    """As many rows as there are frames, of which ``later`` more follow."""
    return joined if not start and not later else _rows(build, joined, start, -later or None)


def _rows(build: Builder, steps: str, start: int, stop: int | None) -> str:
    end = build.constant("end", np.array([2**62])) if stop is None else build.integers(stop)
    found: str = build.node("Slice", steps, build.integers(start), end, build.integers(0))
    return found


def _rectified(build: Builder, weights: PatchWeights, response: str) -> list[str]:
    if weights.rectify == "none":
        return [response]
    zero = build.constant("zero", np.zeros(1, np.float32))
    positive = build.node("Max", response, zero)
    if weights.rectify == "positive":
        return [positive]
    return [positive, build.node("Max", build.node("Sub", zero, response), zero)]
