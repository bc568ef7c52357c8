"""What each frame goes through by itself: recurrent layers over windows of its bands.

Frames are folded into the batch and unfolded again, so that one call serves any number of them; no frame
knows of another. Not here: recurrence over time.
"""

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.cells import project, run_layers
from streamdeep_trainer.graph.weights import FrequencyWeights


def write_frequency(build: Builder, weights: FrequencyWeights) -> str:
    """``frames (batch, time, bands)`` to ``(time, batch, outputs)``."""
    n_windows, width = weights.windows.shape
    # Constant bands of each frame, window after window: (batch, time, windows * width).
    bands = build.node(
        "Gather", "frames", build.constant("windows", weights.windows.reshape(-1)), axis=2
    )
    folded = build.node("Reshape", bands, build.integers(-1, n_windows, width))
    steps = build.node("Transpose", folded, perm=[1, 0, 2])  # (windows, batch * time, width)
    ran = run_layers(build, "frequency", weights.layers, weights.backward_layers, steps, None)
    rows = build.joined(ran.states, 1)  # (batch * time, states)
    if weights.projection is not None:
        rows = project(build, "code", weights.projection, rows)
    sizes = build.node("Shape", "frames", start=0, end=2)
    unfolded = build.node("Concat", sizes, build.integers(weights.n_outputs), axis=0)
    frames = build.node("Reshape", rows, unfolded)  # (batch, time, outputs)
    found: str = build.node("Transpose", frames, perm=[1, 0, 2])
    return found
