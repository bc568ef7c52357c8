"""A network without its decoder, for training that reconstructs nothing. Not here: the encoder (``encoder``)."""

from torch import nn

from streamdeep_trainer.models.encoder import Encoder


class EncoderAlone(nn.Module):
    """An encoder and nothing else; it is not to be called."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
