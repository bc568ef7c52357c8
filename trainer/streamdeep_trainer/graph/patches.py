"""Patches of consecutive frames times constant matrices: shifted slices side by side, no convolution.

The state keeps the frames that the next patches still look at. What stands before a segment's first frame is
that frame, repeated, as if the sound had been the same before: no patch of any segment holds a step that is
not in the sound. Not here: what the products are pooled to (``readouts``), and learning (``clustering``).
"""

import numpy as np

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.cells import Ran
from streamdeep_trainer.graph.weights import PatchWeights


def write_patches(build: Builder, weights: PatchWeights, steps: str, state: str | None) -> Ran:
    """Every patch that ends with a given frame, times its matrix.

    Args:
        build: where nodes go.
        weights: of all lengths.
        steps: ``(time, batch, features)``.
        state: ``(batch, width)``, which begins with the frames before and then a count of frames; None: the
            whole segment is there.

    Returns:
        The outputs of each length, ``(time, batch, atoms)``, and the frames before to be kept in the state.
    """
    n_before = weights.n_before
    joined = _with_frames_before(build, weights, steps, state) if n_before else steps
    outputs = []
    for matrix, bias, n_frames in zip(
        weights.matrices, weights.biases, weights.n_frames, strict=True
    ):
        slices = [
            _shifted(build, joined, n_before - later, later)
            for later in range(n_frames - 1, -1, -1)
        ]
        patches = build.joined(slices, 2)  # (time, batch, frames * features)
        product = build.node("MatMul", patches, build.constant(f"atoms{n_frames}_W", matrix))
        response = build.node("Add", product, build.constant(f"atoms{n_frames}_b", bias))
        outputs += _rectified(build, weights, response)
    if not n_before or state is None:
        return Ran(outputs, [])
    last = _rows(build, joined, -n_before, None)
    by_lane = build.node("Transpose", last, perm=[1, 0, 2])
    return Ran(outputs, [build.node("Reshape", by_lane, build.integers(-1, weights.state_width))])


def _with_frames_before(
    build: Builder, weights: PatchWeights, steps: str, state: str | None
) -> str:
    """``(before + time, batch, features)``."""
    n_before = weights.n_before
    first = _rows(build, steps, 0, 1)
    if state is None:
        return build.joined([*[first] * n_before, steps], 0)
    kept = build.columns(state, 0, weights.state_width)
    by_lane = build.node("Reshape", kept, build.integers(-1, n_before, weights.n_features))
    before = build.node("Transpose", by_lane, perm=[1, 0, 2])
    count = build.columns(state, weights.state_width, weights.state_width + 1)  # (batch, 1)
    fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
    return build.joined([build.node("Where", fresh, first, before), steps], 0)


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
