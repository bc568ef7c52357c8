"""A start state back into a sequence: of frames, or of whatever else a network wants to have again.

By default each step is given the target of the step before, and none later: the decoder cannot see what
it has to reconstruct. The other ways of feeding it are named as what they are. Not here: what the targets
are, and in which order.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell
from streamdeep_trainer.models.rows import drop_steps, shifted
from streamdeep_trainer.models.stack import DropoutPlacement, StackShape, make_layers, run_stack

Feed = Literal["previous", "previous-but-one", "nothing", "leaking"]
"""What step ``t`` is given of the targets.

``previous``: that of ``t - 1``. ``previous-but-one``: that of ``t - 2``; auDeep's unidirectional decoder,
which shifts its input twice. ``nothing``: the start state is all there is; the only way for two directions
not to leak. ``leaking``: that of ``t - 1``, read in both directions; auDeep's bidirectional decoder, whose
backward half sees the target of every step but the last.
"""


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """Everything that decides a decoder's size.

    Attributes:
        n_features: width of a target.
        embedding_dim: length of what it starts from.
        units: of each layer.
        cell: see :mod:`streamdeep_trainer.models.cells`.
        bidirectional: a second stack runs backwards.
        feed: what the steps are given.
        own_probability: probability with which a step, while training, is given the decoder's own previous
            output instead of the target (scheduled sampling, Bengio et al. 2015; auDeep's feed-previous
            probability). At 1 it is so while evaluating too; below, evaluation gives targets.
        bridge: the opening states are ``tanh`` of a linear map of the embedding; otherwise the embedding
            is the opening states, as in auDeep, and must be as long.
        dropout: probability with which a value is dropped while training.
        dropout_placement: between the layers and before the output, or around each layer as in auDeep.
        frame_dropout: probability with which a whole target is withheld from a step while training, so that
            the decoder has to rely on the embedding and not on the frame before.
    """

    n_features: int
    embedding_dim: int
    units: tuple[int, ...]
    cell: Cell = "gru"
    bidirectional: bool = False
    feed: Feed = "previous"
    own_probability: float = 0.0
    bridge: bool = True
    dropout: float = 0.0
    dropout_placement: DropoutPlacement = "between"
    frame_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.bidirectional and self.feed not in ("nothing", "leaking"):
            raise ValueError(
                "a decoder that runs backwards too would see the targets it has to reconstruct; feed it 'nothing'"
            )
        if self.feed == "leaking" and not self.bidirectional:
            raise ValueError("a decoder that runs forwards only does not leak; feed it 'previous'")
        if self.own_probability and self.feed not in ("previous", "previous-but-one"):
            raise ValueError(
                f"a decoder fed {self.feed!r} cannot be fed its own output; use feed 'previous', forwards only"
            )
        if not self.bridge and self.embedding_dim != self.stack.state_width:
            raise ValueError(
                f"without a bridge the embedding must be as long as the state, {self.stack.state_width}; "
                f"it has {self.embedding_dim}"
            )

    @property
    def stack(self) -> StackShape:
        """Its layers."""
        return StackShape(
            n_inputs=self.n_features,
            units=self.units,
            cell=self.cell,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            dropout_placement=self.dropout_placement,
        )


class Decoder(nn.Module):
    """Embedding to a sequence; fed ``previous``, step ``t`` has the targets before ``t``, nothing else."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.bridge = (
            nn.Linear(shape.embedding_dim, shape.stack.state_width) if shape.bridge else None
        )
        self.layers = make_layers(shape.stack)
        self.backward_layers = make_layers(shape.stack) if shape.bidirectional else None
        self.output = nn.Linear(shape.stack.n_last_outputs, shape.n_features)

    def forward(self, embedding: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Reconstruct.

        Args:
            embedding: ``(batch, dim)``.
            targets: ``(batch, time, features)``, what is to be reconstructed, in that order.
            lengths: ``(batch,)`` int64; None: every row is full.

        Returns:
            ``(batch, time, features)`` in (-1, 1).
        """
        state = embedding if self.bridge is None else torch.tanh(self.bridge(embedding))
        given = self._given(targets)
        probability = self.shape.own_probability
        if probability == 1.0 or (self.training and probability > 0.0):
            return self._fed_its_own(state, given, probability)
        found, _ = self._run(given, state, lengths)
        return found

    def _given(self, targets: Tensor) -> Tensor:
        if self.shape.feed == "nothing":
            return torch.zeros_like(targets)
        steps = shifted(targets, 2 if self.shape.feed == "previous-but-one" else 1)
        if self.training and self.shape.frame_dropout > 0.0:
            steps = drop_steps(steps, self.shape.frame_dropout)
        return steps

    def _fed_its_own(self, state: Tensor, given: Tensor, probability: float) -> Tensor:
        """Step by step, because a step's input may be the step before's output."""
        found: list[Tensor] = []
        for step in range(given.shape[1]):
            inputs = given[:, step : step + 1]  # (batch, 1, features)
            if found:
                own = torch.rand((len(given), 1, 1), device=given.device) < probability
                inputs = torch.where(own, found[-1], inputs)
            output, state = self._run(inputs, state, None)
            found.append(output)
        return torch.cat(found, dim=1)

    def _run(self, steps: Tensor, state: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        shape = self.shape.stack
        outputs, state = run_stack(
            shape,
            self.layers,
            self.backward_layers,
            steps,
            state,
            lengths if shape.bidirectional else None,  # forwards, what ends a row concerns nobody
            training=self.training,
        )
        last = torch.cat(outputs[-2:], dim=2) if shape.bidirectional else outputs[-1]
        if shape.dropout_placement == "between":
            last = nn.functional.dropout(last, shape.dropout, self.training)
        return torch.tanh(self.output(last)), state
