"""An encoder's weights as the plain arrays that the exported graph is written from.

Where torch ends: ``graph`` needs arrays only. Not here: the graph.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from streamdeep_trainer.graph import (
    DictionaryWeights,
    EncoderWeights,
    FrequencyWeights,
    GruLayer,
    LstmLayer,
    MinimalLayer,
    PatchWeights,
    Projection,
    RecurrentLayer,
)
from streamdeep_trainer.models.cells import MinimalGru, ResetBeforeGru
from streamdeep_trainer.models.encoder import Encoder
from streamdeep_trainer.models.frequency_encoder import FrequencyEncoder
from streamdeep_trainer.models.patches import PatchDictionary, PatchEncoder
from streamdeep_trainer.models.stem import Stem


def encoder_weights(
    encoder: Encoder, unit_means: NDArray[np.float32] | None, *, whole: bool = False
) -> EncoderWeights:
    """Everything that the graph of an encoder needs.

    Args:
        encoder: of any network.
        unit_means: ``(encoder.shape.n_outputs,)`` float32, the means over the training data of what
            ``encoder.outputs`` gives; only where :func:`needs_unit_means`.
        whole: the graph is to see whole segments only, because the front-end does.
    """
    pooled, needed = encoder.shape.readout == "pooled", needs_unit_means(encoder)
    return EncoderWeights(
        layers=_layers(encoder.layers),
        readout=encoder.shape.readout,
        unit_means=unit_means if needed else None,
        projection=_projection(encoder.projection),
        attention=_projection(encoder.attention),
        last_layer=encoder.shape.readout_layers == "last",
        whole=whole,
        backward_layers=_layers(encoder.backward_layers),
        frequency=None if encoder.frequency is None else _frequency(encoder.frequency),
        patches=_front(encoder.patches or encoder.stem),
        # Codes stand still in silence, exactly, and so do patches and cells that look at their input alone;
        # other recurrent outputs hardly ever do, and narrow sums will do.
        wide_sums=needed and not encoder.shape.units,
        followed=pooled and not needed,
        roughness=encoder.shape.roughness,
        rooted=encoder.shape.rooted,
    )


def needs_unit_means(encoder: Encoder) -> bool:
    """Whether a pooled readout sums deviations from unit means; the others follow their own mean."""
    shape = encoder.shape
    followed = shape.patches is not None or (bool(shape.units) and shape.cell == "minimal")
    return shape.readout == "pooled" and not followed


def _frequency(encoder: FrequencyEncoder) -> FrequencyWeights:
    return FrequencyWeights(
        windows=encoder.shape.windows.indices(),
        layers=_layers(encoder.layers),
        backward_layers=_layers(encoder.backward_layers),
        projection=_projection(encoder.projection),
    )


def _front(front: PatchEncoder | Stem | None) -> PatchWeights | None:
    if isinstance(front, Stem):
        return _stem(front)
    return None if front is None else _patches(front)


def _stem(stem: Stem) -> PatchWeights:
    """Patches of whole frames, and of their products the positive part."""
    n_frames, linear = stem.shape.frames, stem.linear
    n_features = linear.in_features // n_frames
    whole = DictionaryWeights(
        n_frames=n_frames,
        block=n_features,
        indices=np.arange(n_frames)[None],
        matrices=[_array(linear.weight).T],
        bias=_array(linear.bias),
    )
    return PatchWeights(n_features, [whole], "positive")


def _patches(encoder: PatchEncoder) -> PatchWeights:
    return PatchWeights(
        encoder.shape.each[0].n_features,
        [_dictionary(dictionary) for dictionary in encoder.each],
        encoder.shape.rectify,
    )


def _dictionary(dictionary: PatchDictionary) -> DictionaryWeights:
    shape, parts = dictionary.shape, (dictionary.mean, dictionary.whitening, dictionary.atoms)
    mean, whitening, atoms = (values.double().numpy() for values in parts)
    whole = whitening @ atoms.T
    # Two products are fewer multiplications than one where patches are large.
    chain = [whole] if whole.size <= whitening.size + atoms.size else [whitening, atoms.T]
    return DictionaryWeights(
        n_frames=shape.frames,
        block=shape.block,
        indices=shape.indices()[:, :: shape.block] // shape.block,
        matrices=[matrix.astype(np.float32) for matrix in chain],
        bias=(-mean @ whole).astype(np.float32),
    )


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    return values.detach().cpu().numpy().astype(np.float32)


def _projection(linear: nn.Linear | None) -> Projection | None:
    return None if linear is None else Projection(_array(linear.weight).T, _array(linear.bias))


def _layers(layers: nn.ModuleList | None) -> list[RecurrentLayer]:
    found: list[RecurrentLayer] = []
    for layer in layers or ():
        weight_ih, bias_ih = (
            _array(layer.get_parameter(f"{name}_l0")) for name in ("weight_ih", "bias_ih")
        )
        if isinstance(layer, MinimalGru):
            found.append(MinimalLayer(weight_ih, bias_ih))
            continue
        weight_hh = _array(layer.get_parameter("weight_hh_l0"))
        if isinstance(layer, ResetBeforeGru):  # one bias; ONNX adds the second to it
            second = np.zeros_like(bias_ih)
            found.append(GruLayer(weight_ih, weight_hh, bias_ih, second, reset_after=False))
            continue
        make = LstmLayer if isinstance(layer, nn.LSTM) else GruLayer
        second = _array(layer.get_parameter("bias_hh_l0"))
        found.append(make(weight_ih, weight_hh, bias_ih, second))
    return found
