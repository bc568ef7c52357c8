"""ft-rae, an autoencoder over frequency and time.

After auDeep's frequency-time autoencoder (which never ran in any of its releases). Each frame's windows of
bands go through a frequency encoder, whose final states are the steps of an encoder over time. Back: a
decoder over time, fed the frequency encoder's states of the frames before, predicts the states of the next;
from each prediction a decoder over frequency gives the frame's bands back, in reverse, block by block. One
joint loss. auDeep shifts what it feeds twice; here it is once, and no step sees its own target. Not here:
the encoder (``encoder``), the blocks (``frequency``).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell
from streamdeep_trainer.models.decoder import Decoder, DecoderShape
from streamdeep_trainer.models.encoder import Encoder, EncoderShape, Readout, ReadoutLayers
from streamdeep_trainer.models.frequency import decode_bands
from streamdeep_trainer.models.frequency_encoder import FrequencyShape
from streamdeep_trainer.models.rows import reversed_rows, silence_excused
from streamdeep_trainer.models.windows import Windows


@dataclass(frozen=True, slots=True)
class FrequencyTimeShape:
    """Everything that decides the network's size; the decoders run forwards.

    Attributes:
        windows: of the bands.
        frequency_units: of each layer of the frequency encoder.
        units: of each layer of the encoder over time.
        readout: over time, see :class:`streamdeep_trainer.models.encoder.EncoderShape`.
        readout_layers: likewise.
        attention_heads: likewise.
        dim: length of the embedding where the readout is ``final``.
        decoder_units: of each layer of the decoder over time.
        frequency_decoder_units: of each layer of the decoder over frequency.
        dropout: between layers, while training.
        frame_dropout: probability with which a step of the time decoder's input is withheld while training.
        cell: of all layers.
        bidirectional_frequency_encoder: windows are read upwards and downwards; still causal in time.
        bidirectional_encoder: over time; needs the segment's end.
        own_probability: how often the decoder over time is given its own output while training.
        frequency_own_probability: the same of the decoder over frequency.
        encoder_noise: probability with which a whole frame of the time encoder's input is set to zero.
        frequency_encoder_noise: the same of a whole window of the frequency encoder's.
        mask_silence: silent values of the target count as reconstructed.
    """

    windows: Windows
    frequency_units: tuple[int, ...] = (64,)
    units: tuple[int, ...] = (128, 128)
    readout: Readout = "pooled"
    dim: int = 256
    decoder_units: tuple[int, ...] = (128, 128)
    frequency_decoder_units: tuple[int, ...] = (64,)
    dropout: float = 0.2
    frame_dropout: float = 0.0
    cell: Cell = "gru"
    bidirectional_frequency_encoder: bool = False
    bidirectional_encoder: bool = False
    own_probability: float = 0.0
    frequency_own_probability: float = 0.0
    encoder_noise: float = 0.0
    frequency_encoder_noise: float = 0.0
    mask_silence: bool = False
    readout_layers: ReadoutLayers = "all"
    attention_heads: int = 4

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding."""
        return self.encoder.embedding_dim

    @property
    def encoder(self) -> EncoderShape:
        """The part that is exported."""
        frequency = FrequencyShape(
            windows=self.windows,
            units=self.frequency_units,
            cell=self.cell,
            bidirectional=self.bidirectional_frequency_encoder,
            dropout=self.dropout,
            noise=self.frequency_encoder_noise,
        )
        return EncoderShape(
            n_features=self.windows.n_bands,
            units=self.units,
            cell=self.cell,
            bidirectional=self.bidirectional_encoder,
            readout=self.readout,
            readout_layers=self.readout_layers,
            attention_heads=self.attention_heads,
            dim=self.dim,
            dropout=self.dropout,
            noise=self.encoder_noise,
            frequency=frequency,
        )

    @property
    def time_decoder(self) -> DecoderShape:
        """Embedding to the frequency encoder's states, one vector per frame."""
        return DecoderShape(
            n_features=self.encoder.stack.n_inputs,
            embedding_dim=self.embedding_dim,
            units=self.decoder_units,
            cell=self.cell,
            own_probability=self.own_probability,
            dropout=self.dropout,
            frame_dropout=self.frame_dropout,
        )

    @property
    def frequency_decoder(self) -> DecoderShape:
        """One frame's vector to its bands, block by block."""
        return DecoderShape(
            n_features=self.windows.step,
            embedding_dim=self.encoder.stack.n_inputs,
            units=self.frequency_decoder_units,
            cell=self.cell,
            own_probability=self.frequency_own_probability,
            dropout=self.dropout,
        )


class FrequencyTimeAutoencoder(nn.Module):
    """Encoder and two decoders; the target is the input turned round in time and in frequency."""

    def __init__(self, shape: FrequencyTimeShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.encoder)
        self.time_decoder = Decoder(shape.time_decoder)
        self.frequency_decoder = Decoder(shape.frequency_decoder)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, time, bands)`` and ``(batch,)`` to reconstruction and target, both like ``frames``."""
        assert self.encoder.frequency is not None
        steps = self.encoder.frequency(frames)
        embedding = self.encoder.read(*self.encoder.run_steps(steps, lengths), lengths)
        targets = reversed_rows(frames, lengths).flip(2)
        reconstruction = self.decode(embedding, reversed_rows(steps, lengths), targets)
        if self.shape.mask_silence:
            reconstruction = silence_excused(reconstruction, targets)
        return reconstruction, targets

    def decode(self, embedding: Tensor, steps: Tensor, targets: Tensor) -> Tensor:
        """Reconstruct.

        Args:
            embedding: ``(batch, dim)``.
            steps: ``(batch, time, states)``, the frequency encoder's states in the targets' order; gradients
                flow into them, as in auDeep.
            targets: ``(batch, time, bands)``.

        Returns:
            Like ``targets``: a frame's block is made from the embedding, the frames before it, and the blocks
            before it in its own frame.
        """
        return decode_bands(self.frequency_decoder, self.time_decoder(embedding, steps), targets)
