"""From a shape to its network. Not here: which shape a recipe asks for."""

from streamdeep_trainer.models.audeep_exact import ExactAutoencoder, ExactShape
from streamdeep_trainer.models.autoencoder import Autoencoder, Shape
from streamdeep_trainer.models.frequency import FrequencyAutoencoder, FrequencyAutoencoderShape
from streamdeep_trainer.models.frequency_time import FrequencyTimeAutoencoder, FrequencyTimeShape

AnyShape = Shape | ExactShape | FrequencyAutoencoderShape | FrequencyTimeShape
Network = Autoencoder | ExactAutoencoder | FrequencyAutoencoder | FrequencyTimeAutoencoder


def build_network(shape: AnyShape) -> Network:
    """A fresh network; ``torch.manual_seed`` before decides its weights.

    Every network is called as ``network(frames, lengths) -> (reconstruction, target)`` and has an
    ``encoder`` to call as ``encoder(frames, lengths) -> embedding``.
    """
    match shape:
        case Shape():
            return Autoencoder(shape)
        case ExactShape():
            return ExactAutoencoder(shape)
        case FrequencyAutoencoderShape():
            return FrequencyAutoencoder(shape)
        case FrequencyTimeShape():
            return FrequencyTimeAutoencoder(shape)
