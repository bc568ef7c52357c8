"""Somebody else's ONNX network, run as it is: from samples or frames of a segment to a vector.

For encoders whose weights cannot be shipped, such as SoundNet (Aytar, Vondrick and Torralba, NIPS 2016), and for those
with operators that a model file may not hold. Standard operators without control flow, one segment at a time, so that no
vector depends on its neighbours. Not here: what can be made a model file (``wrap``).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep import onnxfile
from streamdeep.errors import ModelError
from streamdeep_trainer.graph.foreign import axes_of, only_input, output_number, read_network, shown

FOREIGN_OPERATORS = (onnxfile.ENCODER_OPERATORS - {"Scan"}) | frozenset(
    "Abs ArgMax ArgMin AveragePool BatchNormalization Ceil Clip Constant ConstantOfShape Conv ConvTranspose Cos"
    " DepthToSpace Dropout Einsum Elu Erf Exp Expand Flatten Floor Gelu Gemm GlobalAveragePool GlobalMaxPool Greater"
    " GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Less"
    " Log LogSoftmax LpNormalization MaxPool Min Mish Neg Not PRelu Pad Pow RNN Range Reciprocal ReduceL2 ReduceMean"
    " ReduceMin ReduceProd ReduceSum Relu Resize Selu Sign Sin Size Softmax Softplus Split Sqrt Sum Tile TopK".split()
)
"""None of them opens a file, and none runs for longer than its inputs are long but by a size that the file states."""


Inputs = dict[str, NDArray[np.float32]]
"""By name, for one run."""


class ForeignNetwork:
    """A network that can be run.

    Attributes:
        content: of the file, as it runs.
    """

    def __init__(self, path: Path, output: str | None = None) -> None:
        """Load it.

        Args:
            path: of the file.
            output: which of its outputs; may be left out where there is one.

        Raises:
            ModelError: it cannot be read, has other operators, or several inputs or outputs.
        """
        network = read_network(path)
        self._path = path
        self._axes = axes_of(only_input(network.graph, path))
        self._input = only_input(network.graph, path).name
        self._output = network.graph.output[output_number(network.graph, output, path)].name
        file = onnxfile.check(onnxfile.seal(network), FOREIGN_OPERATORS, str(path))
        self.content = file.content
        self._session = onnxfile.Session(file, str(path))

    def inputs_of_samples(self, samples: NDArray[np.float32]) -> Inputs:
        """``(samples,)`` as it wants them; what is too short for a fixed length is continued in silence.

        Raises:
            ModelError: it does not take samples, or not so many.
        """
        axes, n_axes = self._axes, len(self._axes)
        framed = n_axes == 3 and axes[1] is None and axes[2] is not None
        if n_axes not in (1, 2, 3) or framed or any(axis not in (None, 1) for axis in axes[:-1]):
            raise ModelError(
                f"{self._path} takes {shown(axes)}, and not samples (batch, 1, any); if it takes frames, give a recipe"
            )
        wanted = self._axes[-1]
        fitted = self._fitted(samples[:, None], wanted, 0.0)[:, 0]
        return {self._input: fitted.reshape((1,) * (n_axes - 1) + (-1,))}

    def inputs_of_frames(self, frames: NDArray[np.float32]) -> Inputs:
        """``(time, bands)`` in [-1, 1] as it wants them; what is too short is continued in silence.

        Raises:
            ModelError: it does not take frames of so many bands, or not so many frames.
        """
        n_bands, axes = frames.shape[1], self._axes
        leading = axes[:-2]
        if len(axes) not in (2, 3, 4) or any(axis not in (None, 1) for axis in leading):
            raise ModelError(
                f"{self._path} takes {shown(axes)}, and not frames (batch, time, {n_bands})"
            )
        if axes[-1] == n_bands or (axes[-1] is None and axes[-2] != n_bands):
            arranged = self._fitted(frames, axes[-2], -1.0)
        elif axes[-2] == n_bands:
            arranged = self._fitted(frames, axes[-1], -1.0).T
        else:
            raise ModelError(f"{self._path} takes {shown(axes)}, and frames have {n_bands} bands")
        shape = (1,) * len(leading) + arranged.shape
        return {self._input: np.ascontiguousarray(arranged).reshape(shape)}

    def _fitted(
        self, values: NDArray[np.float32], wanted: int | None, silence: float
    ) -> NDArray[np.float32]:
        if wanted is None or len(values) == wanted:
            return values
        if len(values) > wanted:
            raise ModelError(
                f"{self._path} takes {wanted} at a time, and a segment has {len(values)}; make segments shorter"
            )
        filling = np.full((wanted - len(values), values.shape[1]), silence, dtype=np.float32)
        return np.concatenate((values, filling))

    def vector(self, inputs: Inputs) -> NDArray[np.float32]:
        """``(dim,)`` of one segment.

        Raises:
            ModelError: it fails, or gives no vector.
        """
        [found] = self._session.run((self._output,), inputs)
        if sum(axis != 1 for axis in found.shape) > 1:
            raise ModelError(
                f"{self._path} gives {shown(list(found.shape))} for one segment, and not one vector; choose another output"
            )
        if not np.isfinite(found).all():
            raise ModelError(f"{self._path} gives no numbers for some segment")
        return found.reshape(-1).astype(np.float32)
