"""t-rae as auDeep 0.9 has it, number for number, faults included.

Source: the equations of auDeep's time autoencoder (Freitag et al., JMLR 2017; its TensorFlow 1.15 graph,
run and compared). For comparison with published results, not for use: its bidirectional decoder sees its
own target, and its unidirectional decoder is fed the target shifted twice. Beyond auDeep only in this:
rows may have different lengths. Not here: reading auDeep's variables (``audeep_weights``); the batches,
the clipping of gradients by value to ±2 and Adam's step of 1e-3, which are ``fit``'s.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.cells import ResetBeforeGru
from streamdeep_trainer.models.decoder import Decoder, DecoderShape
from streamdeep_trainer.models.encoder import Encoder, EncoderShape
from streamdeep_trainer.models.rows import reversed_rows, silence_excused

GATE_BIAS = 1.0
"""Initial bias of a GRU's reset and update gates in TensorFlow 1: a fresh cell keeps its state."""


@dataclass(frozen=True, slots=True)
class ExactShape:
    """auDeep's options of ``t-rae train``.

    Attributes:
        n_features: width of a frame.
        layers: ``--num-layers``, of encoder and decoder alike.
        units: ``--num-units``, of every layer.
        cell: ``--cell``: its GRU has the reset gate before the product.
        bidirectional_encoder: ``--bidirectional-encoder``.
        bidirectional_decoder: ``--bidirectional-decoder``; it leaks the target.
        dropout: 1 - ``--keep-prob``, before and after every layer.
        encoder_noise: ``--encoder-noise``.
        own_probability: ``--feed-previous-prob``; auDeep ignores it for a bidirectional decoder, here it
            is refused.
        mask_silence: ``--mask-silence``.
    """

    n_features: int
    layers: int = 1
    units: int = 16
    cell: Literal["gru-reset-before", "lstm"] = "gru-reset-before"
    bidirectional_encoder: bool = False
    bidirectional_decoder: bool = False
    dropout: float = 0.2
    encoder_noise: float = 0.0
    own_probability: float = 0.0
    mask_silence: bool = False

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding: that of the decoder's opening states, which it becomes."""
        per_layer = self.units * (2 if self.cell == "lstm" else 1)
        return self.layers * per_layer * (2 if self.bidirectional_decoder else 1)

    @property
    def encoder(self) -> EncoderShape:
        """The part that is exported."""
        return EncoderShape(
            n_features=self.n_features,
            units=(self.units,) * self.layers,
            cell=self.cell,
            bidirectional=self.bidirectional_encoder,
            readout="final",
            dim=self.embedding_dim,
            dropout=self.dropout,
            dropout_placement="around",
            noise=self.encoder_noise,
        )

    @property
    def decoder(self) -> DecoderShape:
        """The part that is not."""
        return DecoderShape(
            n_features=self.n_features,
            embedding_dim=self.embedding_dim,
            units=(self.units,) * self.layers,
            cell=self.cell,
            bidirectional=self.bidirectional_decoder,
            feed="leaking" if self.bidirectional_decoder else "previous-but-one",
            own_probability=self.own_probability,
            bridge=False,
            dropout=self.dropout,
            dropout_placement="around",
        )


class ExactAutoencoder(nn.Module):
    """Encoder and decoder; the target is the input turned round in time.

    A unidirectional decoder is followed by a second projection: its first, ``tanh(h W + b)`` of the width of
    a frame, is what it is fed back, and ``tanh`` of a linear map of that is the reconstruction.
    """

    def __init__(self, shape: ExactShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.encoder)
        self.decoder = Decoder(shape.decoder)
        self.second_output = (
            None if shape.bidirectional_decoder else nn.Linear(shape.n_features, shape.n_features)
        )
        initialise(self)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, time, features)`` and ``(batch,)`` to reconstruction and target, both like ``frames``."""
        targets = reversed_rows(frames, lengths)
        reconstruction = self.decoder(self.encoder(frames, lengths), targets, lengths)
        if self.second_output is not None:
            reconstruction = torch.tanh(self.second_output(reconstruction))
        if self.shape.mask_silence:
            reconstruction = silence_excused(reconstruction, targets)
        return reconstruction, targets


def initialise(network: nn.Module) -> None:
    """TensorFlow 1's initial weights.

    Glorot-uniform (Glorot and Bengio 2010), ``±sqrt(6 / (inputs + outputs))``, over each kernel as TensorFlow
    cuts it: state and inputs enter together, a GRU's two gates leave together and its candidate by itself,
    an LSTM's four gates leave together. Biases of cells are 0, of a GRU's gates 1; those of linear maps
    are glorot-uniform too, as vectors of ``n`` inputs and ``n`` outputs.
    """

    def glorot(values: Tensor, n_inputs: int, n_outputs: int) -> None:
        bound = math.sqrt(6.0 / (n_inputs + n_outputs))
        nn.init.uniform_(values, -bound, bound)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                glorot(module.weight, module.in_features, module.out_features)
                glorot(module.bias, module.out_features, module.out_features)
            elif isinstance(module, ResetBeforeGru):
                units = module.units
                n_inputs = module.weight_ih_l0.shape[1] + units
                for weight in (module.weight_ih_l0, module.weight_hh_l0):
                    glorot(weight[: 2 * units], n_inputs, 2 * units)
                    glorot(weight[2 * units :], n_inputs, units)
                module.bias_ih_l0[: 2 * units] = GATE_BIAS
                module.bias_ih_l0[2 * units :] = 0.0
            elif isinstance(module, nn.LSTM):
                n_inputs, n_outputs = module.input_size + module.hidden_size, 4 * module.hidden_size
                glorot(module.get_parameter("weight_ih_l0"), n_inputs, n_outputs)
                glorot(module.get_parameter("weight_hh_l0"), n_inputs, n_outputs)
                module.get_parameter("bias_ih_l0").zero_()
