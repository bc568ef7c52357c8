"""auDeep's variables, by their TensorFlow names, into :mod:`streamdeep_trainer.models.audeep_exact`.

So that a checkpoint of auDeep, dumped as arrays, goes on living, and so that parity can be tested. Not
here: reading TensorFlow's own checkpoint files, which needs TensorFlow.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from streamdeep_trainer.models.audeep_exact import ExactAutoencoder
from streamdeep_trainer.models.cells import ResetBeforeGru

Variables = Mapping[str, NDArray[Any]]


def load_audeep_weights(network: ExactAutoencoder, variables: Variables) -> None:
    """Give a network auDeep's weights.

    TensorFlow's kernels are ``(inputs + units, outputs)``. A GRU's are its gates (reset, update) and its
    candidate; an LSTM's is one, its gates in the order input, new, forget, output.

    Args:
        network: of the very shape that auDeep's was.
        variables: TensorFlow's name (``model/encoder/...``) to array; optimiser slots are to be left out.

    Raises:
        ValueError: a variable is missing, left over, or of another shape.
    """
    weights = _Variables(variables)
    for name, part in (("encoder", network.encoder), ("decoder", network.decoder)):
        scope = f"model/{name}/rnn_output_and_state"
        if part.backward_layers is None:
            stacks = [("rnn", part.layers)]
        else:
            stacks = [
                ("bidirectional_rnn/fw", part.layers),
                ("bidirectional_rnn/bw", part.backward_layers),
            ]
        for direction, layers in stacks:
            for index, layer in enumerate(layers):
                _load_layer(weights, f"{scope}/{direction}/multi_rnn_cell/cell_{index}", layer)
    assert network.encoder.projection is not None
    _load_linear(weights, "model/representation/linear", network.encoder.projection)
    last = "model/reconstruction/time_dist_linear/linear"
    if network.second_output is None:
        _load_linear(weights, last, network.decoder.output)
    else:
        _load_linear(weights, "model/decoder/rnn_output_and_state", network.decoder.output)
        _load_linear(weights, last, network.second_output)
    if weights.left:
        raise ValueError(
            f"{len(weights.left)} variables have no place in this network, such as {min(weights.left)}"
        )


class _Variables:
    """Variables, each to be taken once."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self.left = set(variables)

    def take(self, name: str) -> NDArray[Any]:
        if name not in self._variables:
            raise ValueError(f"there is no variable {name}; the network has another shape")
        self.left.discard(name)
        return self._variables[name]


def _assign(parameter: torch.Tensor, values: NDArray[Any], name: str) -> None:
    if tuple(parameter.shape) != values.shape:
        raise ValueError(
            f"{name} would be {values.shape}; the network has {tuple(parameter.shape)} there"
        )
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)))


def _load_linear(weights: _Variables, scope: str, linear: nn.Linear) -> None:
    _assign(linear.weight, weights.take(f"{scope}/weights").T, scope)
    _assign(linear.bias, weights.take(f"{scope}/bias"), scope)


def _load_layer(weights: _Variables, scope: str, layer: nn.Module) -> None:
    if isinstance(layer, ResetBeforeGru):
        parts = [f"{scope}/gru_cell/{part}" for part in ("gates", "candidate")]
        kernel = np.concatenate([weights.take(f"{part}/kernel") for part in parts], axis=1)
        bias = np.concatenate([weights.take(f"{part}/bias") for part in parts])
    else:
        given, new, forget, output = np.split(weights.take(f"{scope}/lstm_cell/kernel"), 4, axis=1)
        kernel = np.concatenate((given, forget, new, output), axis=1)
        given, new, forget, output = np.split(weights.take(f"{scope}/lstm_cell/bias"), 4)
        bias = np.concatenate((given, forget, new, output))
    n_inputs = layer.get_parameter("weight_ih_l0").shape[1]
    _assign(layer.get_parameter("weight_ih_l0"), kernel[:n_inputs].T, scope)
    _assign(layer.get_parameter("weight_hh_l0"), kernel[n_inputs:].T, scope)
    _assign(layer.get_parameter("bias_ih_l0"), bias, scope)
