"""t-rae, a recurrent sequence-to-sequence autoencoder: frames to an embedding, and back in reverse order.

After Sutskever et al. (2014) and auDeep (Freitag et al., JMLR 2017), with these differences by default: the
decoder sees no part of what it has to reconstruct next (auDeep's bidirectional decoder reads its own
target); the embedding may be the pooled outputs instead of the final state; the cell is torch's own GRU;
rows may have different lengths. auDeep to the letter is ``audeep_exact``. Not here: the parts (``encoder``,
``decoder``), the loss (``objectives``), the loop (``fit``), the exported graph (``graph``).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell
from streamdeep_trainer.models.decoder import Decoder, DecoderShape, Feed
from streamdeep_trainer.models.encoder import Encoder as Encoder
from streamdeep_trainer.models.encoder import EncoderShape
from streamdeep_trainer.models.encoder import Readout as Readout
from streamdeep_trainer.models.encoder import ReadoutLayers as ReadoutLayers
from streamdeep_trainer.models.rows import mask as mask
from streamdeep_trainer.models.rows import pooled as pooled
from streamdeep_trainer.models.rows import reversed_rows as reversed_rows
from streamdeep_trainer.models.rows import silence_excused
from streamdeep_trainer.models.stem import StemShape


@dataclass(frozen=True, slots=True)
class Shape:
    """Everything that decides the network's size.

    Attributes:
        n_features: width of a frame.
        units: units of each encoder layer.
        readout: see :class:`streamdeep_trainer.models.encoder.EncoderShape`.
        readout_layers: likewise.
        attention_heads: likewise.
        dim: length of the embedding where the readout is ``final``; others have 3 times the units that they pool.
        stem: what frames go through before the layers.
        decoder_units: units of each decoder layer.
        dropout: probability with which a value between two layers is dropped while training.
        frame_dropout: probability with which a whole frame of the decoder's input is dropped while
            training, so that it has to rely on the embedding and not on the frame before.
        cell: of all layers, see :mod:`streamdeep_trainer.models.cells`.
        bidirectional_encoder: needs the segment's end; the exported model is not incremental.
        bidirectional_decoder: needs a feed of ``nothing``, or says that it is ``leaking``.
        feed: what the decoder is given, see :data:`streamdeep_trainer.models.decoder.Feed`.
        own_probability: how often the decoder is given its own output while training.
        encoder_noise: probability with which a whole frame of the encoder's input is set to zero.
        mask_silence: silent values of the target count as reconstructed.
    """

    n_features: int
    units: tuple[int, ...] = (256, 256)
    readout: Readout = "pooled"
    dim: int = 512
    decoder_units: tuple[int, ...] = (256, 256)
    dropout: float = 0.2
    frame_dropout: float = 0.0
    cell: Cell = "gru"
    bidirectional_encoder: bool = False
    bidirectional_decoder: bool = False
    feed: Feed = "previous"
    own_probability: float = 0.0
    encoder_noise: float = 0.0
    mask_silence: bool = False
    readout_layers: ReadoutLayers = "all"
    attention_heads: int = 4
    stem: StemShape | None = None

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding."""
        return self.encoder.embedding_dim

    @property
    def encoder(self) -> EncoderShape:
        """The part that is exported."""
        return EncoderShape(
            n_features=self.n_features,
            units=self.units,
            cell=self.cell,
            bidirectional=self.bidirectional_encoder,
            readout=self.readout,
            readout_layers=self.readout_layers,
            attention_heads=self.attention_heads,
            dim=self.dim,
            dropout=self.dropout,
            noise=self.encoder_noise,
            stem=self.stem,
        )

    @property
    def decoder(self) -> DecoderShape:
        """The part that is not."""
        return DecoderShape(
            n_features=self.n_features,
            embedding_dim=self.embedding_dim,
            units=self.decoder_units,
            cell=self.cell,
            bidirectional=self.bidirectional_decoder,
            feed=self.feed,
            own_probability=self.own_probability,
            dropout=self.dropout,
            frame_dropout=self.frame_dropout,
        )


class Autoencoder(nn.Module):
    """Encoder and decoder; the target is the input turned round in time."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.encoder)
        self.decoder = Decoder(shape.decoder)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, time, features)`` and ``(batch,)`` to reconstruction and target, both like ``frames``."""
        targets = reversed_rows(frames, lengths)
        reconstruction = self.decoder(self.encoder(frames, lengths), targets, lengths)
        if self.shape.mask_silence:
            reconstruction = silence_excused(reconstruction, targets)
        return reconstruction, targets
