"""A recipe's ``[model]``: which network, and how large; one record per kind, told apart by ``kind``.

Only records here, so that reading a recipe does not import torch; what becomes of them is ``checkpoint``'s.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from streamdeep.config import Strict

Units = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)
]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Cell = Literal["gru", "gru-reset-before", "lstm", "minimal"]
Feed = Literal["previous", "previous-but-one", "nothing", "leaking"]
Readout = Literal["final", "pooled", "attention"]
ReadoutLayers = Literal["all", "last"]
Heads = Annotated[int, Field(ge=1, le=64)]
Rectify = Literal["none", "positive", "both"]


class _Common(Strict):
    """What every kind has.

    Attributes:
        name: what the model file calls itself.
        bidirectional_encoder: needs the segment's end; the exported model is then not incremental.
        own_probability: how often the decoder is given its own output while training.
        encoder_noise: probability with which a whole step of the encoder's input is set to zero.
        mask_silence: silent values of the target count as reconstructed.
    """

    name: str = Field(default="unnamed", min_length=1, max_length=64)
    bidirectional_encoder: bool = False
    own_probability: Probability = 0.0
    encoder_noise: Probability = 0.0
    mask_silence: bool = False


class StemRecipe(Strict):
    """A small causal convolution before the first layer, see :mod:`streamdeep_trainer.models.stem`.

    Attributes:
        frames: that a unit sees: the newest and those before it.
        units: of the stem; what the first layer is given per frame.
    """

    frames: int = Field(default=3, ge=1, le=64)
    units: int = Field(default=64, ge=1, le=4096)


class TimeModel(_Common):
    """t-rae, leak-free: see :class:`streamdeep_trainer.models.autoencoder.Shape`.

    Attributes:
        kind: ``t-rae``.
        cell: of all layers.
        units: of each encoder layer.
        readout: ``pooled`` statistics over time, the same by ``attention``, for which frames count as much as is
            learnt, or the ``final`` states.
        readout_layers: whose outputs are pooled: those of ``all`` layers side by side, or of the ``last``.
        attention_heads: each learns for its own part of the outputs what a frame counts.
        dim: length of the embedding for ``final``; the others have 3 times the units that they pool.
        stem: a small convolution before the first layer; None: there is none.
        decoder_units: of each decoder layer.
        bidirectional_decoder: needs a feed of ``nothing`` or ``leaking``.
        feed: what the decoder is given of the target.
    """

    kind: Literal["t-rae"] = "t-rae"
    cell: Cell = "gru"
    units: Units = (256, 256)
    readout: Readout = "pooled"
    readout_layers: ReadoutLayers = "all"
    attention_heads: Heads = 4
    dim: int = Field(default=512, ge=1, le=65536)
    stem: StemRecipe | None = None
    decoder_units: Units = (256, 256)
    bidirectional_decoder: bool = False
    feed: Feed = "previous"


class ExactModel(_Common):
    """auDeep's t-rae to the letter, its defects included: see :class:`~streamdeep_trainer.models.audeep_exact.ExactShape`.

    Attributes:
        kind: ``audeep-exact``.
        cell: auDeep's GRU has the reset gate before the product.
        layers: of encoder and decoder alike.
        units: of every layer.
        bidirectional_decoder: as in auDeep it sees its own target.
    """

    kind: Literal["audeep-exact"]
    cell: Literal["gru-reset-before", "lstm"] = "gru-reset-before"
    layers: int = Field(default=2, ge=1, le=8)
    units: int = Field(default=256, ge=1, le=4096)
    bidirectional_decoder: bool = False


class PatchRecipe(Strict):
    """One dictionary: how large its patches are, and how many patterns it has.

    Attributes:
        frames: of a patch.
        bands: of a patch; None: all there are.
        band_hop: bands from one patch to the next above it, in the same frames; None: as many as a patch has.
        atoms: patterns; patches at all heights share them, and respond each for itself.
        components: principal components that a patch is whitened to; no more than it has values.
    """

    frames: int = Field(default=8, ge=1, le=64)
    bands: int | None = Field(default=None, ge=1)
    band_hop: int | None = Field(default=None, ge=1)
    atoms: int = Field(default=256, ge=1, le=8192)
    components: int = Field(default=128, ge=1, le=4096)


Dictionaries = Annotated[tuple[PatchRecipe, ...], Field(min_length=1, max_length=8)]


class DictionaryModel(Strict):
    """Learnt patches of frames, without gradients: see :mod:`streamdeep_trainer.clustering`.

    Of ``[fit]`` it knows ``epochs`` (passes over the patches), ``gain_db``, ``batch_size`` (crops that are cut
    at once), ``validation_fraction``, ``patience``, ``seed`` and ``threads``.

    Attributes:
        kind: ``dictionary``.
        name: what the model file calls itself.
        dictionaries: side by side; of several lengths they are time scales.
        rectify: what becomes of an atom's response before it is pooled: it stays as it is (``none``), its
            ``positive`` part is kept, or positive and negative part side by side (``both``), which doubles the
            embedding.
        roughness: beside mean, deviation and maximum, also pool how much a response changes from frame to frame, as
            a share of its deviation.
        rooted: of mean, deviation and maximum the signed roots are the embedding, so that single large ones
            stand out less.
        scaled: each value of the embedding is centred and divided by its deviation, both over the training
            data, and the whole is brought to length 1, so that distances between embeddings mean something.
        patches: how many each dictionary learns from; silent ones among them are left out.
    """

    kind: Literal["dictionary"]
    name: str = Field(default="unnamed", min_length=1, max_length=64)
    dictionaries: Dictionaries = (PatchRecipe(),)
    rectify: Rectify = "positive"
    roughness: bool = True
    rooted: bool = True
    scaled: bool = False
    patches: int = Field(default=30_000, ge=1, le=10_000_000)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if len(set(self.dictionaries)) < len(self.dictionaries):
            raise ValueError("two of the dictionaries are the same")
        most = max(one.atoms for one in self.dictionaries)
        if self.patches < most:
            raise ValueError(
                f"{most} atoms cannot be learnt from {self.patches} patches; ask for more patches"
            )
        return self


class _Windowed(_Common):
    """What the kinds that run over frequency have.

    Attributes:
        cell: of all layers.
        window_bands: bands in a window.
        window_overlap: bands that neighbours share.
        window_remainder: what becomes of bands that windows do not divide.
        readout: over time, as in :class:`TimeModel`.
        attention_heads: likewise.
    """

    cell: Cell = "gru"
    window_bands: int = Field(default=32, ge=1)
    window_overlap: int = Field(default=24, ge=0)
    window_remainder: Literal["refuse", "shift"] = "refuse"
    readout: Readout = "pooled"
    attention_heads: Heads = 4


class FrequencyModel(_Windowed):
    """f-rae: see :class:`streamdeep_trainer.models.frequency.FrequencyAutoencoderShape`.

    Attributes:
        kind: ``f-rae``.
        units: of each encoder layer.
        code: length of a frame's code.
        decoder_units: of each decoder layer.
        bidirectional_decoder: needs a feed of ``nothing`` or ``leaking``.
        feed: what the decoder is given of the target.
    """

    kind: Literal["f-rae"]
    units: Units = (64,)
    code: int = Field(default=64, ge=1, le=65536)
    decoder_units: Units = (64,)
    bidirectional_decoder: bool = False
    feed: Feed = "previous"


class FrequencyTimeModel(_Windowed):
    """ft-rae: see :class:`streamdeep_trainer.models.frequency_time.FrequencyTimeShape`.

    Attributes:
        kind: ``ft-rae``.
        frequency_units: of each layer of the frequency encoder.
        units: of each layer of the encoder over time.
        readout_layers: whose outputs over time are pooled.
        dim: length of the embedding for ``final``.
        decoder_units: of each layer of the decoder over time.
        frequency_decoder_units: of each layer of the decoder over frequency.
        bidirectional_frequency_encoder: still causal in time.
        frequency_own_probability: as ``own_probability``, over frequency.
        frequency_encoder_noise: as ``encoder_noise``, of whole windows.
    """

    kind: Literal["ft-rae"]
    frequency_units: Units = (64,)
    units: Units = (128, 128)
    readout_layers: ReadoutLayers = "all"
    dim: int = Field(default=256, ge=1, le=65536)
    decoder_units: Units = (128, 128)
    frequency_decoder_units: Units = (64,)
    bidirectional_frequency_encoder: bool = False
    frequency_own_probability: Probability = 0.0
    frequency_encoder_noise: Probability = 0.0


def _kind(value: Any) -> str:
    """The kind of a table or record; ``t-rae`` where a table does not say."""
    if isinstance(value, dict):
        return str(value.get("kind", "t-rae"))
    return str(getattr(value, "kind", "t-rae"))


ModelRecipe = Annotated[
    Annotated[TimeModel, Tag("t-rae")]
    | Annotated[ExactModel, Tag("audeep-exact")]
    | Annotated[FrequencyModel, Tag("f-rae")]
    | Annotated[FrequencyTimeModel, Tag("ft-rae")]
    | Annotated[DictionaryModel, Tag("dictionary")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message="unknown kind; choose t-rae, audeep-exact, f-rae, ft-rae or dictionary",
    ),
]
