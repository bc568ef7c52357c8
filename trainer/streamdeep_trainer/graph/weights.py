"""What a graph is written from: plain arrays, in torch's layout. Not here: the writing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.graph.patch_weights import PatchWeights


@dataclass(frozen=True, slots=True, eq=False)
class GruLayer:
    """Weights of one GRU layer in torch's layout, gates in the order reset, update, new.

    Attributes:
        weight_ih: ``(3 * units, inputs)``.
        weight_hh: ``(3 * units, units)``.
        bias_ih: ``(3 * units,)``.
        bias_hh: ``(3 * units,)``.
        reset_after: the reset gate acts after the product, as torch's does; or on the state before it.
    """

    weight_ih: NDArray[np.float32]
    weight_hh: NDArray[np.float32]
    bias_ih: NDArray[np.float32]
    bias_hh: NDArray[np.float32]
    reset_after: bool = True

    @property
    def units(self) -> int:
        """Width of the layer's outputs."""
        return int(self.weight_hh.shape[1])

    @property
    def state_width(self) -> int:
        """Width of the layer's state."""
        return self.units

    @property
    def cell(self) -> str:
        """What people call it."""
        return "gru" if self.reset_after else "gru-reset-before"


@dataclass(frozen=True, slots=True, eq=False)
class LstmLayer:
    """Weights of one LSTM layer in torch's layout, gates in the order input, forget, new, output.

    Its state is ``c`` and ``h`` side by side.

    Attributes:
        weight_ih: ``(4 * units, inputs)``.
        weight_hh: ``(4 * units, units)``.
        bias_ih: ``(4 * units,)``.
        bias_hh: ``(4 * units,)``.
    """

    weight_ih: NDArray[np.float32]
    weight_hh: NDArray[np.float32]
    bias_ih: NDArray[np.float32]
    bias_hh: NDArray[np.float32]

    @property
    def units(self) -> int:
        """Width of the layer's outputs."""
        return int(self.weight_hh.shape[1])

    @property
    def state_width(self) -> int:
        """Width of the layer's state."""
        return 2 * self.units

    @property
    def cell(self) -> str:
        """What people call it."""
        return "lstm"


@dataclass(frozen=True, slots=True, eq=False)
class MinimalLayer:
    """Weights of one minimal gated layer, gates in the order update, new; none act on its state.

    Attributes:
        weight_ih: ``(2 * units, inputs)``.
        bias_ih: ``(2 * units,)``.
    """

    weight_ih: NDArray[np.float32]
    bias_ih: NDArray[np.float32]

    @property
    def units(self) -> int:
        """Width of the layer's outputs."""
        return len(self.bias_ih) // 2

    @property
    def state_width(self) -> int:
        """Width of the layer's state."""
        return self.units

    @property
    def cell(self) -> str:
        """What people call it."""
        return "minimal"


RecurrentLayer = GruLayer | LstmLayer | MinimalLayer
Readout = Literal["final", "pooled", "attention"]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """``tanh(x W + b)``, on final states side by side, or on outputs frame by frame.

    Attributes:
        weight: ``(inputs, dim)``.
        bias: ``(dim,)``.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyWeights:
    """What each frame goes through by itself: layers over windows of its bands.

    Attributes:
        windows: ``(windows, width)`` int64, which bands of a frame each window holds.
        layers: first to last.
        backward_layers: a second stack, over the windows from the last to the first; or none.
        projection: of the final states; None hands them on as they are.
    """

    windows: NDArray[np.int64]
    layers: Sequence[RecurrentLayer]
    backward_layers: Sequence[RecurrentLayer] = ()
    projection: Projection | None = None

    @property
    def n_outputs(self) -> int:
        """What comes out per frame."""
        if self.projection is not None:
            return int(self.projection.weight.shape[1])
        return sum(layer.state_width for layer in (*self.layers, *self.backward_layers))


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """What makes every value of an embedding count alike, and every embedding as long as any other.

    ``(x - mean) / deviation``, divided by its own length.

    Attributes:
        mean: ``(dim,)``, over the training data.
        deviation: ``(dim,)``, likewise, and above 0.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights:
    """Everything the graph is written from.

    Attributes:
        layers: over time, first to last; may be empty behind a frequency encoder, and are behind patches.
        readout: the final states through ``projection``, or running statistics of the layers' outputs, for which
            frames count alike (``pooled``) or as much as ``attention`` says.
        unit_means: ``(n_outputs,)``, each output's mean over the training data; pooled only. Deviations
            are summed from it, so that the variance is not a difference of large numbers.
        projection: final only; without layers over time the last frame's code is the embedding.
        attention: of outputs; one value per head, from which what a frame counts there is made. Attention only.
        last_layer: of the outputs only the last layer's are read, of both directions.
        backward_layers: a second stack, from the last frame to the first; or none.
        frequency: what each frame goes through first.
        patches: what is looked at instead of frames: a dictionary, without layers behind it and pooled; or a stem.
        whole: the graph takes whole segments only, because the front-end must see them whole.
        wide_sums: pooled sums are exact and take two values of the state each, see ``sums``.
        followed: pooled means and deviations are followed step by step instead, see ``moments``; without
            unit means.
        roughness: where followed, also how much an output changes from step to step, as a share of its deviation.
        rooted: of mean, deviation and maximum the signed roots are the embedding.
        scaling: of a pooled embedding, at the very end; or none.
    """

    layers: Sequence[RecurrentLayer]
    readout: Readout
    unit_means: NDArray[np.float32] | None = None
    projection: Projection | None = None
    attention: Projection | None = None
    last_layer: bool = False
    backward_layers: Sequence[RecurrentLayer] = ()
    frequency: FrequencyWeights | None = None
    patches: PatchWeights | None = None
    whole: bool = False
    wide_sums: bool = False
    followed: bool = False
    roughness: bool = False
    rooted: bool = False
    scaling: Scaling | None = None

    @property
    def incremental(self) -> bool:
        """Whether frames may come in any cut; layers that run backwards need the segment's end."""
        return not (self.backward_layers or self.whole)

    @property
    def n_outputs(self) -> int:
        """Values per frame that are pooled."""
        if not self.layers:
            front = self.patches or self.frequency
            assert front is not None
            return front.n_outputs
        first = len(self.layers) - 1 if self.last_layer else 0
        layers = (*self.layers[first:], *self.backward_layers[first:])
        return sum(layer.units for layer in layers)

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        if self.readout != "final":
            return (4 if self.roughness else 3) * self.n_outputs
        return self.n_outputs if self.projection is None else int(self.projection.weight.shape[1])

    @property
    def pools_width(self) -> int:
        """A count, and per output two sums, a maximum, and for roughness the mean change and the output before."""
        each = 5 if self.wide_sums or self.roughness else 3
        return self.count_width + each * self.n_outputs

    @property
    def count_width(self) -> int:
        """Of frames there is one count; what attention has counted differs from output to output."""
        return self.n_outputs if self.readout == "attention" else 1

    @property
    def recurrent_width(self) -> int:
        """Of all layers' states."""
        return sum(layer.state_width for layer in self.layers)

    @property
    def state_width(self) -> int:
        """Recurrent states, the frames before, and the pools or a mark behind these frames; 0 if not incremental.

        Without layers over time ``final`` carries the last code: a state has at least one value.
        """
        if not self.incremental:
            return 0
        before = 0 if self.patches is None else self.patches.state_width
        if self.readout != "final":
            return self.recurrent_width + before + self.pools_width
        return self.recurrent_width + before + bool(before) or self.n_outputs
