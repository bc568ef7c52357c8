"""A dictionary of patches: an encoder that is learnt without gradients, and therefore without a decoder.

After Coates and Ng, "Learning feature representations with k-means" (2012), and for sound Salamon and Bello
(ICASSP 2015). The embedding is the pooled responses of all atoms. Not here: the patches (``patches``), and how
they are learnt (``clustering``).
"""

from dataclasses import dataclass

from torch import nn

from streamdeep_trainer.models.encoder import Encoder, EncoderShape
from streamdeep_trainer.models.patches import PatchEncoder, PatchesShape

_MOST_VALUES = 65536
"""Of an embedding, as the model file has it."""


@dataclass(frozen=True, slots=True)
class DictionaryShape:
    """Everything that decides the network's size.

    Attributes:
        patches: its dictionaries.
        roughness: how much responses change from frame to frame, as a share of their deviation, is pooled too.
        rooted: of mean, deviation and maximum the signed roots are the embedding.
        scaled: embeddings are scaled when they are exported.
    """

    patches: PatchesShape
    roughness: bool = False
    rooted: bool = False
    scaled: bool = False

    def __post_init__(self) -> None:
        if self.embedding_dim > _MOST_VALUES:
            raise ValueError(
                f"the embedding would have {self.embedding_dim} values; {_MOST_VALUES} are allowed"
            )

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding."""
        return self.encoder.embedding_dim

    @property
    def encoder(self) -> EncoderShape:
        """All there is."""
        return EncoderShape(
            n_features=self.patches.each[0].n_features,
            units=(),
            patches=self.patches,
            roughness=self.roughness,
            rooted=self.rooted,
            scaled=self.scaled,
        )


class Dictionary(nn.Module):
    """An encoder alone; it reconstructs nothing and is not to be called."""

    def __init__(self, shape: DictionaryShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.encoder)

    @property
    def patches(self) -> PatchEncoder:
        """What is learnt."""
        assert self.encoder.patches is not None
        return self.encoder.patches
