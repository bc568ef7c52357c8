"""f-rae, an autoencoder over frequency: each frame is a sequence of windows of bands.

After auDeep's frequency autoencoder (which never ran in any of its releases). The encoder reads a frame's
windows and makes a code of it; the decoder gives the bands back from the highest down, in blocks of as many
bands as a window has new ones. auDeep's decoder is fed whole overlapping windows and makes all bands of all
its outputs together, so that it sees its target; here a block is made from the code and the blocks before
it. Frames know nothing of each other: it is the embedding that pools their codes over time, or takes the
last. Not here: the encoder (``encoder``), recurrence over time (``frequency_time``).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell
from streamdeep_trainer.models.decoder import Decoder, DecoderShape, Feed
from streamdeep_trainer.models.encoder import Encoder, EncoderShape, Readout
from streamdeep_trainer.models.frequency_encoder import FrequencyShape
from streamdeep_trainer.models.rows import silence_excused
from streamdeep_trainer.models.windows import Windows


@dataclass(frozen=True, slots=True)
class FrequencyAutoencoderShape:
    """Everything that decides the network's size.

    Attributes:
        windows: of the bands.
        units: of each encoder layer.
        code: length of a frame's code, ``tanh`` of a linear map of the final states.
        readout: codes over time ``pooled``, or by ``attention``, or the ``final`` frame's code.
        attention_heads: see :class:`streamdeep_trainer.models.encoder.EncoderShape`.
        decoder_units: of each decoder layer.
        dropout: between layers, while training.
        frame_dropout: probability with which a block of the decoder's input is withheld while training.
        cell: of all layers.
        bidirectional_encoder: windows are read upwards and downwards; the encoder stays causal in time.
        bidirectional_decoder: needs a feed of ``nothing``, or says that it is ``leaking``.
        feed: what the decoder is given, see :data:`streamdeep_trainer.models.decoder.Feed`.
        own_probability: how often the decoder is given its own output while training.
        encoder_noise: probability with which a whole window of the encoder's input is set to zero.
        mask_silence: silent values of the target count as reconstructed.
    """

    windows: Windows
    units: tuple[int, ...] = (64,)
    code: int = 64
    readout: Readout = "pooled"
    decoder_units: tuple[int, ...] = (64,)
    dropout: float = 0.2
    frame_dropout: float = 0.0
    cell: Cell = "gru"
    bidirectional_encoder: bool = False
    bidirectional_decoder: bool = False
    feed: Feed = "previous"
    own_probability: float = 0.0
    encoder_noise: float = 0.0
    mask_silence: bool = False
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
            units=self.units,
            cell=self.cell,
            bidirectional=self.bidirectional_encoder,
            code=self.code,
            dropout=self.dropout,
            noise=self.encoder_noise,
        )
        return EncoderShape(
            n_features=self.windows.n_bands,
            units=(),
            readout=self.readout,
            attention_heads=self.attention_heads,
            frequency=frequency,
        )

    @property
    def decoder(self) -> DecoderShape:
        """The part that is not; a step is a block of bands."""
        return DecoderShape(
            n_features=self.windows.step,
            embedding_dim=self.code,
            units=self.decoder_units,
            cell=self.cell,
            bidirectional=self.bidirectional_decoder,
            feed=self.feed,
            own_probability=self.own_probability,
            dropout=self.dropout,
            frame_dropout=self.frame_dropout,
        )


class FrequencyAutoencoder(nn.Module):
    """Encoder and decoder; the target is each frame turned round in frequency."""

    def __init__(self, shape: FrequencyAutoencoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.encoder)
        self.decoder = Decoder(shape.decoder)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, time, bands)`` and ``(batch,)`` to reconstruction and target, both like ``frames``.

        What lies beyond a row's length is reconstructed too; the loss does not look at it.
        """
        assert self.encoder.frequency is not None
        codes = self.encoder.frequency(frames)
        targets = frames.flip(2)
        reconstruction = decode_bands(self.decoder, codes, targets)
        if self.shape.mask_silence:
            reconstruction = silence_excused(reconstruction, targets)
        return reconstruction, targets


def decode_bands(decoder: Decoder, codes: Tensor, targets: Tensor) -> Tensor:
    """Each frame by itself, block by block of its bands.

    Args:
        decoder: over blocks.
        codes: ``(batch, time, code)``, what each frame is made from.
        targets: ``(batch, time, bands)``, in the order in which they are to be made.

    Returns:
        Like ``targets``. Where blocks do not divide the bands, the last is filled up with zeros, and what
        is made of these is cut off again.
    """
    block, n_bands = decoder.shape.n_features, targets.shape[2]
    whole = nn.functional.pad(targets, (0, -n_bands % block))
    blocks = whole.reshape(-1, whole.shape[2] // block, block)  # (batch * time, blocks, block)
    found: Tensor = decoder(codes.flatten(0, 1), blocks)
    return found.reshape(whole.shape)[:, :, :n_bands]
