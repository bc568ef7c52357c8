"""From a shape to its network. Not here: which shape a recipe asks for."""

from streamdeep_trainer.models.audeep_exact import ExactAutoencoder, ExactShape
from streamdeep_trainer.models.autoencoder import Autoencoder, Shape
from streamdeep_trainer.models.dictionary import Dictionary, DictionaryShape
from streamdeep_trainer.models.encoder_alone import EncoderAlone
from streamdeep_trainer.models.frequency import FrequencyAutoencoder, FrequencyAutoencoderShape
from streamdeep_trainer.models.frequency_time import FrequencyTimeAutoencoder, FrequencyTimeShape

AnyShape = Shape | ExactShape | FrequencyAutoencoderShape | FrequencyTimeShape | DictionaryShape
Autoencoding = Autoencoder | ExactAutoencoder | FrequencyAutoencoder | FrequencyTimeAutoencoder
Network = Autoencoding | Dictionary | EncoderAlone


def build_network(shape: AnyShape) -> Autoencoding | Dictionary:
    """A fresh network; ``torch.manual_seed`` before decides its weights.

    Every network has an ``encoder`` to call as ``encoder(frames, lengths) -> embedding``, and is called as
    ``network(frames, lengths) -> (reconstruction, target)``, except for a dictionary, which has nothing else.
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
        case DictionaryShape():
            return Dictionary(shape)
