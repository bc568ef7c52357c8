"""Patches of consecutive frames times constant matrices: shifted slices side by side, no convolution.

Patches are folded into the batch and unfolded again, so that one product serves all positions. The state keeps
the frames that the next patches still look at. What stands before a segment's first frame is that frame,
repeated, as if the sound had been the same before: no patch of any segment holds a step that is not in the
sound. Not here: what the products are pooled to (``readouts``) or the layers behind them (``cells``), and learning
(``clustering``).
"""

import numpy as np

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.cells import Ran
from streamdeep_trainer.graph.patch_weights import DictionaryWeights, PatchWeights


def write_patches(build: Builder, weights: PatchWeights, state: str | None, at: int = 0) -> Ran:
    """Every patch that ends with a given frame, times its matrices.

    Args:
        build: where nodes go.
        weights: of all dictionaries.
        state: ``(batch, width)``, which holds the frames before and then a column that is 0 only where there are
            none yet, such as a count; None: the whole segment is there.
        at: the column where these frames begin.

    Returns:
        The responses of each dictionary, ``(time, batch, outputs)``, and the frames before to be kept in the
        state.
    """
    n_before, frames = weights.n_before, "frames"
    if n_before:
        frames = build.joined([*_frames_before(build, weights, state, at), frames], 1)
    sizes = build.node("Shape", "frames", start=0, end=2)
    outputs = []
    for number, dictionary in enumerate(weights.dictionaries):
        name = f"dictionary{number}"
        rows = _responses(
            build, name, dictionary, frames, n_before=n_before, n_features=weights.n_features
        )
        unfolded = build.node("Concat", sizes, build.integers(dictionary.n_outputs), axis=0)
        for part in _rectified(build, weights, rows):
            by_lane = build.node("Reshape", part, unfolded)  # (batch, time, outputs)
            outputs.append(build.node("Transpose", by_lane, perm=[1, 0, 2]))
    if not n_before or state is None:
        return Ran(outputs, [])
    last = _steps(build, frames, -n_before, None)
    return Ran(outputs, [build.node("Reshape", last, build.integers(-1, weights.state_width))])


def write_mark(build: Builder, weights: PatchWeights, state: str, at: int) -> list[str]:
    """The column behind the frames before, where there are such frames and nothing else tells a fresh state: 1."""
    if not weights.n_before:
        return []
    end = at + weights.state_width
    mark = build.columns(state, end, end + 1)
    return [build.node("Max", mark, build.constant("mark", np.ones(1, np.float32)))]


def _responses(
    build: Builder,
    name: str,
    dictionary: DictionaryWeights,
    frames: str,
    *,
    n_before: int,
    n_features: int,
) -> str:
    """``(batch, before + time, features)`` to ``(batch * time * positions, atoms)``."""
    slices = [
        _shifted(build, frames, n_before - later, later)
        for later in range(dictionary.n_frames - 1, -1, -1)
    ]
    rows = build.joined(slices, 2)  # (batch, time, frames * features)
    if len(dictionary.indices) > 1:
        block = dictionary.block
        n_blocks = dictionary.n_frames * n_features // block
        blocks = build.node("Reshape", rows, build.integers(-1, n_blocks, block))
        indices = build.constant(f"{name}_indices", dictionary.indices.reshape(-1))
        rows = build.node("Gather", blocks, indices, axis=1)
    rows = build.node("Reshape", rows, build.integers(-1, dictionary.n_values))
    for number, matrix in enumerate(dictionary.matrices):
        rows = build.node("MatMul", rows, build.constant(f"{name}_W{number}", matrix))
    found: str = build.node("Add", rows, build.constant(f"{name}_b", dictionary.bias))
    return found


def _frames_before(build: Builder, weights: PatchWeights, state: str | None, at: int) -> list[str]:
    """What stands before the given frames, in parts ``(batch, some, features)``."""
    first = _steps(build, "frames", 0, 1)
    if state is None:
        return [first] * weights.n_before
    end = at + weights.state_width
    kept = build.columns(state, at, end)
    shape = build.integers(-1, weights.n_before, weights.n_features)
    count = build.columns(state, end, end + 1)
    fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
    by_lane = build.node("Unsqueeze", fresh, build.integers(1))  # (batch, 1, 1)
    return [build.node("Where", by_lane, first, build.node("Reshape", kept, shape))]


def _shifted(build: Builder, frames: str, start: int, later: int) -> str:
    """As many steps as are given, behind ``start`` of them, of which ``later`` more follow."""
    return frames if not start and not later else _steps(build, frames, start, -later or None)


def _steps(build: Builder, frames: str, start: int, stop: int | None) -> str:
    end = build.constant("end", np.array([2**62])) if stop is None else build.integers(stop)
    found: str = build.node("Slice", frames, build.integers(start), end, build.integers(1))
    return found


def _rectified(build: Builder, weights: PatchWeights, responses: str) -> list[str]:
    if weights.rectify == "none":
        return [responses]
    zero = build.constant("zero", np.zeros(1, np.float32))
    positive = build.node("Max", responses, zero)
    if weights.rectify == "positive":
        return [positive]
    return [positive, build.node("Max", build.node("Sub", zero, responses), zero)]
