"""Frames to one embedding per row: the part of every network that is exported.

Frames may first go through a frequency encoder, frame by frame, be looked at in patches, or go through a stem; then
through recurrent layers over time, which f-rae and dictionaries have none of; then the readout makes an embedding of
the final states or of outputs. What runs forwards only is causal and carries its state live. Not here: decoding, and the exported graph
(``graph``), which follows this module piece by piece.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell
from streamdeep_trainer.models.frequency_encoder import FrequencyEncoder, FrequencyShape
from streamdeep_trainer.models.patches import PatchEncoder, PatchesShape
from streamdeep_trainer.models.rows import (
    attended,
    drop_steps,
    last_steps,
    pooled,
    roughness,
    signed_root,
)
from streamdeep_trainer.models.stack import DropoutPlacement, StackShape, make_layers, run_stack
from streamdeep_trainer.models.stem import Stem, StemShape

Readout = Literal["final", "pooled", "attention"]
ReadoutLayers = Literal["all", "last"]


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Everything that decides an encoder's size.

    Attributes:
        n_features: width of a frame.
        units: of each layer over time; empty only behind a frequency encoder, or patches, which have none.
        cell: see :mod:`streamdeep_trainer.models.cells`.
        bidirectional: a second stack runs backwards; such an encoder needs the segment's end.
        readout: ``final`` is ``tanh`` of a linear map of the final states (without layers over time the last
            frame's code), ``pooled`` mean, deviation and maximum of outputs over time, ``attention`` the same, but
            learnt scores say how much a frame counts for mean and deviation.
        readout_layers: the outputs of which layers are pooled.
        attention_heads: each scores frames by all outputs that are pooled, for its own part of them.
        dim: length of the embedding where the readout is ``final`` and there are layers over time.
        dropout: probability with which a value is dropped while training.
        dropout_placement: between the layers, or around each as auDeep has it.
        noise: probability with which a whole step is set to zero while training (auDeep's encoder noise).
        frequency: what each frame goes through first.
        patches: what is looked at instead of frames, and pooled.
        stem: what frames go through before the layers; not behind a frequency encoder.
        roughness: of patches, how much outputs change from step to step, as a share of their deviation, is
            pooled too.
        rooted: of mean, deviation and maximum the signed roots are the embedding.
        scaled: when it is exported, the embedding is scaled by what the training data's are; not here, where
            these are not known.
    """

    n_features: int
    units: tuple[int, ...]
    cell: Cell = "gru"
    bidirectional: bool = False
    readout: Readout = "pooled"
    readout_layers: ReadoutLayers = "all"
    attention_heads: int = 4
    dim: int = 512
    dropout: float = 0.0
    dropout_placement: DropoutPlacement = "between"
    noise: float = 0.0
    frequency: FrequencyShape | None = None
    patches: PatchesShape | None = None
    stem: StemShape | None = None
    roughness: bool = False
    rooted: bool = False
    scaled: bool = False

    def __post_init__(self) -> None:
        if self.patches is not None:
            assert not self.units, "patches are pooled as they are"
            assert self.readout == "pooled", "patches are pooled as they are"
        elif not self.units and (self.frequency is None or self.frequency.code is None):
            raise ValueError(
                "an encoder without layers over time needs a frequency encoder with a code"
            )
        if self.stem is not None:
            assert self.units, "a stem stands before layers"
            assert self.frequency is None, "a frequency encoder sees bands"
        if self.readout == "final" and self.readout_layers != "all":
            raise ValueError(
                "readout_layers says whose outputs are pooled; readout = 'final' reads the last states of all layers"
            )
        if self.readout == "attention" and self.attention_heads > self.n_outputs:
            raise ValueError(
                f"{self.attention_heads} attention_heads cannot share {self.n_outputs} outputs"
            )
        if self.frequency is not None and self.frequency.windows.n_bands != self.n_features:
            raise ValueError(
                f"the windows are over {self.frequency.windows.n_bands} bands; a frame has {self.n_features}"
            )

    @property
    def stack(self) -> StackShape:
        """Its layers over time."""
        front = self.frequency or self.patches
        width = self.n_features if self.stem is None else self.stem.units
        return StackShape(
            n_inputs=width if front is None else front.n_outputs,
            units=self.units,
            cell=self.cell,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            dropout_placement=self.dropout_placement,
        )

    @property
    def n_outputs(self) -> int:
        """Values per frame that a readout can pool."""
        if self.units and self.readout_layers == "last":
            return self.stack.n_last_outputs
        return self.stack.n_outputs or self.stack.n_inputs

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding."""
        if self.readout != "final":
            return (4 if self.roughness else 3) * self.n_outputs
        return self.dim if self.units else self.n_outputs


class Encoder(nn.Module):
    """Frames to embedding; the part that is exported."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.frequency = None if shape.frequency is None else FrequencyEncoder(shape.frequency)
        self.patches = None if shape.patches is None else PatchEncoder(shape.patches)
        self.stem = None if shape.stem is None else Stem(shape.stem, shape.n_features)
        self.layers = make_layers(shape.stack)
        self.backward_layers = make_layers(shape.stack) if shape.bidirectional else None
        self.projection = (
            nn.Linear(shape.stack.state_width, shape.dim)
            if shape.readout == "final" and shape.units
            else None
        )
        self.attention = (
            nn.Linear(shape.n_outputs, shape.attention_heads)
            if shape.readout == "attention"
            else None
        )

    def run(self, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Everything that a readout can look at.

        Args:
            frames: ``(batch, time, features)``.
            lengths: ``(batch,)`` int64; None: every row is full.

        Returns:
            Outputs side by side ``(batch, time, outputs)``, of all layers or the last, and all final states side by
            side ``(batch, state width)``.
        """
        front = self.frequency or self.patches or self.stem
        return self.run_steps(frames if front is None else front(frames), lengths)

    def run_steps(self, steps: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`run`, from what comes out of the frequency encoder, the patches or the stem."""
        if self.training and self.shape.noise > 0.0:
            steps = drop_steps(steps, self.shape.noise)
        if not self.shape.units:
            return steps, last_steps(steps, lengths)
        outputs, states = run_stack(
            self.shape.stack,
            self.layers,
            self.backward_layers,
            steps,
            None,
            lengths,
            training=self.training,
        )
        if self.shape.readout_layers == "last":
            outputs = outputs[-self.shape.stack.n_directions :]
        return torch.cat(outputs, dim=2), states

    def outputs(self, frames: Tensor) -> Tensor:
        """``(batch, time, features)`` to ``(batch, time, outputs)``: what a readout can pool."""
        return self.run(frames)[0]

    def read(self, outputs: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """The embedding ``(batch, dim)`` of what :meth:`run` returns."""
        if self.attention is not None:
            return attended(outputs, self.attention(outputs), lengths)
        if self.shape.readout == "pooled":
            statistics = pooled(outputs, lengths)
            embedding = signed_root(statistics) if self.shape.rooted else statistics
            if not self.shape.roughness:
                return embedding
            deviation = statistics.chunk(3, dim=1)[1]
            return torch.cat((embedding, roughness(outputs, lengths, deviation)), dim=1)
        return states if self.projection is None else torch.tanh(self.projection(states))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Encode rows of different lengths.

        Args:
            frames: ``(batch, time, features)``; what lies beyond a row's length changes nothing.
            lengths: ``(batch,)`` int64, at least 1.

        Returns:
            ``(batch, dim)``.
        """
        return self.read(*self.run(frames, lengths), lengths)
