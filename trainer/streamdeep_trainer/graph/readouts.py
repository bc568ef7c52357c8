"""From states and outputs to embeddings: the final states, or statistics over time, for which frames count alike or not.

With ``emit`` the embedding is of some rows, and running sums go on from the state; without, the whole
segment is there, and it is of all rows. Not here: the layers.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.cells import project
from streamdeep_trainer.graph.moments import follow
from streamdeep_trainer.graph.sums import double, n_parts, running_sum, single
from streamdeep_trainer.graph.weights import EncoderWeights, Projection

SCORE_BOUND = 4.0
"""Of attention: a frame counts e^-4 to e^4, so that sums stay within float32 without a running maximum beside them."""
VARIANCE_FLOOR = 1e-4
"""Added under the root of a pooled variance; a unit that never moves has a deviation of 0.01."""
ROUGHNESS_FLOOR = 0.02
"""Added to the deviation that a change is divided by: what hardly moves at all is not rough."""
LENGTH_FLOOR = 1e-6
"""Added to the square of an embedding's length before it is divided by: the mean itself has none."""
ROOT_FLOOR = 1e-3
"""Added under the signed root: without it, rounding of what is almost 0 would be blown up."""


def write_final(build: Builder, weights: EncoderWeights, read: str, emit: str | None) -> None:
    """``tanh(states W + b)``, or the last code as it is."""
    if weights.projection is None:
        assert emit is not None, "without layers over time the graph is incremental"
        build.node("Gather", read, emit, axis=0, name="embedding")
        return
    rows = read if emit is None else build.node("Gather", read, emit, axis=0)
    project(build, "projection", weights.projection, rows, result="embedding")


def write_pooled(
    build: Builder, weights: EncoderWeights, outputs: str, state: str | None, emit: str | None
) -> list[str]:
    """Running mean, standard deviation and maximum over time; of mean and deviation a frame may count more than another.

    Args:
        build: where nodes go.
        weights: of the encoder.
        outputs: ``(time, batch, n_outputs)``.
        state: ``(batch, width)``; the pools are its last columns. None: the whole segment is there.
        emit: rows that end; None: all.

    Returns:
        The new pools, to be kept in the state.
    """
    if weights.attention is not None:
        counted = _write_counted(build, weights.attention, outputs, weights.n_outputs)
        return _write_moments(build, weights, outputs, state, emit, counted)
    if weights.followed:
        return _write_moments(build, weights, outputs, state, emit)
    assert weights.unit_means is not None
    wide = weights.wide_sums
    means = build.constant("unit_means", weights.unit_means.astype(np.float32))
    count = maxima = sums = squares = None
    if state is not None:
        count, sums, squares, maxima = _kept(build, weights, state)

    deviations = build.node("Sub", outputs, means)
    if wide:
        deviations = double(build, deviations)
    new_sums = running_sum(build, sums, deviations, wide=wide)
    square = build.node("Mul", deviations, deviations)
    new_squares = running_sum(build, squares, square, wide=wide)
    n_steps = single(build, build.node("Shape", "frames", start=1, end=2))
    new_count = n_steps if count is None else build.node("Add", count, n_steps)
    new_maxima = _running_maximum(build, count, maxima, outputs)

    def row(part: str) -> str:
        found: str = part if emit is None else build.node("Gather", part, emit, axis=0)
        return found

    def divisor() -> str:
        return double(build, row(new_count)) if wide else row(new_count)

    mean_deviation = build.node("Div", row(new_sums.total), divisor())
    mean_square = build.node("Div", row(new_squares.total), divisor())
    variance = build.node("Sub", mean_square, build.node("Mul", mean_deviation, mean_deviation))
    if wide:
        mean_deviation, variance = single(build, mean_deviation), single(build, variance)
    positive = build.node("Max", variance, build.constant("zero", np.zeros(1, np.float32)))
    floored = build.node(
        "Add", positive, build.constant("variance_floor", np.full(1, VARIANCE_FLOOR, np.float32))
    )
    mean = build.node("Add", mean_deviation, means)
    _write_embedding(build, weights, [mean, build.node("Sqrt", floored), row(new_maxima)])
    return [new_count, *new_sums.parts, *new_squares.parts, new_maxima]


def _write_counted(build: Builder, attention: Projection, outputs: str, n_outputs: int) -> str:
    """What each output of each frame counts: ``exp`` of a bounded score, one for all outputs of a head.

    ``exp(s)`` is ``sigmoid(s) / sigmoid(-s)``, for which no operator has to be allowed that is not yet.
    """
    bound = build.constant("score_bound", np.full(1, SCORE_BOUND, np.float32))
    score = build.node("Mul", project(build, "attention", attention, outputs), bound)
    negative = build.node("Sub", build.constant("zero", np.zeros(1, np.float32)), score)
    by_head = build.node("Div", build.node("Sigmoid", score), build.node("Sigmoid", negative))
    heads = build.constant("heads", heads_of(n_outputs, attention.weight.shape[1]))
    found: str = build.node("Gather", by_head, heads, axis=2)
    return found


def heads_of(n_outputs: int, n_heads: int) -> NDArray[np.int64]:
    """``(n_outputs,)``, which head each output belongs to: neighbours to one, and to each as many, or one more."""
    return np.arange(n_outputs) * n_heads // n_outputs


def _write_moments(
    build: Builder,
    weights: EncoderWeights,
    outputs: str,
    state: str | None,
    emit: str | None,
    counted: str | None = None,
) -> list[str]:
    """As :func:`write_pooled`, with moments that are followed step by step."""
    opening = None
    if state is not None:
        opening = _columns(build, weights, state)
    pools = follow(
        build, outputs, opening, weights.n_outputs, weights=counted, changes=weights.roughness
    )
    ending = pools[:-1] if weights.roughness else pools  # not the newest outputs
    if emit is not None:
        ending = [build.node("Gather", part, emit, axis=0) for part in ending]
    count, mean, squares_sum, maximum, *change = ending
    variance = build.node("Div", squares_sum, count)
    floored = build.node(
        "Add", variance, build.constant("variance_floor", np.full(1, VARIANCE_FLOOR, np.float32))
    )
    deviation = build.node("Sqrt", floored)
    roughness = [_write_roughness(build, changes, deviation) for changes in change]
    _write_embedding(build, weights, [mean, deviation, maximum], *roughness)
    return pools


def _write_roughness(build: Builder, change: str, deviation: str) -> str:
    """The mean absolute change from step to step as a share of the deviation."""
    floor = build.constant("roughness_floor", np.full(1, ROUGHNESS_FLOOR, np.float32))
    found: str = build.node("Div", change, build.node("Add", deviation, floor))
    return found


def _write_embedding(
    build: Builder, weights: EncoderWeights, statistics: list[str], *roughness: str
) -> None:
    """Side by side; of ``statistics`` perhaps each one's signed root, and all of it perhaps scaled."""
    if weights.rooted:
        statistics = [_write_root(build, build.joined(statistics, 1))]
    if weights.scaling is None:
        build.node("Concat", *statistics, *roughness, axis=1, name="embedding")
        return
    values = build.node("Concat", *statistics, *roughness, axis=1)
    centred = build.node("Sub", values, build.constant("scaling_mean", weights.scaling.mean))
    deviation = build.constant("scaling_deviation", weights.scaling.deviation)
    alike = build.node("Div", centred, deviation)
    # A product with ones is a sum whose order never changes.
    ones = build.constant("ones", np.ones((weights.dim, 1), np.float32))
    square = build.node("MatMul", build.node("Mul", alike, alike), ones)
    floor = build.constant("length_floor", np.full(1, LENGTH_FLOOR, np.float32))
    length = build.node("Sqrt", build.node("Add", square, floor))
    build.node("Div", alike, length, name="embedding")


def _write_root(build: Builder, values: str) -> str:
    """``x / sqrt(|x| + floor)``."""
    negative = build.node("Sub", build.constant("zero", np.zeros(1, np.float32)), values)
    floor = build.constant("root_floor", np.full(1, ROOT_FLOOR, np.float32))
    size = build.node("Add", build.node("Max", values, negative), floor)
    found: str = build.node("Div", values, build.node("Sqrt", size))
    return found


def _kept(
    build: Builder, weights: EncoderWeights, state: str
) -> tuple[str, list[str], list[str], str]:
    """Count, sums, sums of squares and maxima, as the state's last columns hold them."""
    each = n_parts(wide=weights.wide_sums)
    count, *parts = _columns(build, weights, state)
    return count, parts[:each], parts[each : 2 * each], parts[-1]


def _columns(build: Builder, weights: EncoderWeights, state: str) -> list[str]:
    """The state's last columns: a count, and as wide as the outputs all that follows it."""
    width, at = weights.n_outputs, weights.state_width - weights.pools_width
    behind = at + weights.count_width
    bounds = [(at, behind)]
    bounds += [(start, start + width) for start in range(behind, weights.state_width, width)]
    return [build.columns(state, start, stop) for start, stop in bounds]


def _running_maximum(build: Builder, count: str | None, maxima: str | None, outputs: str) -> str:
    floor = None
    if count is not None and maxima is not None:
        # A lane that has seen nothing has no maximum yet: minus infinity, not the zero that opened it.
        fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
        lowest = build.constant("minus_infinity", np.full(1, -np.inf, np.float32))
        floor = build.node("Where", fresh, lowest, maxima)
    newest: str = build.node("ReduceMax", outputs, build.integers(0), keepdims=0)
    found: str = newest if floor is None else build.node("Max", floor, newest)
    return found
