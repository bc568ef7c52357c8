"""A recipe's ``[objective]``: what training minimises; one record per kind, told apart by ``kind``.

Only records here, so that reading a recipe does not import torch; what becomes of them is ``objectives``'.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from streamdeep.config import Strict
from streamdeep_trainer.augment_recipe import MaskRecipe

Weight = Annotated[float, Field(ge=0.0, le=1e6)]
Width = Annotated[int, Field(ge=1, le=8192)]


class ReconstructionObjective(Strict):
    """The crop from its embedding, by the decoder of ``[model]``.

    Attributes:
        kind: ``reconstruction``.
        measure: what the loss is called.
        n_views: crops of each clip in a batch.
        masks: what it hides from the encoder, because that is to be told; None: nothing.
    """

    measure: ClassVar[str] = "RMSE"
    n_views: ClassVar[int] = 1
    masks: ClassVar[None] = None
    kind: Literal["reconstruction"] = "reconstruction"


class MaskedObjective(Strict):
    """What is masked, from what is not, see :mod:`streamdeep_trainer.objectives.masked`.

    Attributes:
        kind: ``masked``.
        masks: what is hidden from the encoder, and is to be told.
    """

    measure: ClassVar[str] = "RMSE"
    n_views: ClassVar[int] = 1
    kind: Literal["masked"]
    masks: MaskRecipe = MaskRecipe()


class PredictionObjective(Strict):
    """Frames that are still to come, see :mod:`streamdeep_trainer.objectives.prediction`.

    Attributes:
        kind: ``prediction``.
        ahead_frames: how far each of the frames that are told lies ahead.
    """

    measure: ClassVar[str] = "RMSE"
    n_views: ClassVar[int] = 1
    masks: ClassVar[None] = None
    kind: Literal["prediction"]
    ahead_frames: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        default=(3,), min_length=1, max_length=16
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.ahead_frames)) < len(self.ahead_frames):
            raise ValueError("ahead_frames names a frame twice")
        return self


class ClusterPredictionObjective(Strict):
    """Which cluster masked frames belong to, see :mod:`streamdeep_trainer.objectives.cluster_prediction`.

    Attributes:
        kind: ``cluster-prediction``.
        masks: what is hidden from the encoder; the clusters of frames that are hidden whole are to be told.
        clusters: how many.
        frames: of a patch, the newest of which is the one that it is the label of; all bands.
        components: principal components that a patch is whitened to.
        patches: how many the clusters are learnt from; silent ones among them are left out.
        passes: of k-means over them.
    """

    measure: ClassVar[str] = "cross-entropy"
    n_views: ClassVar[int] = 1
    kind: Literal["cluster-prediction"]
    masks: MaskRecipe = MaskRecipe(band_stretches=0)
    clusters: int = Field(default=100, ge=2, le=4096)
    frames: int = Field(default=5, ge=1, le=64)
    components: int = Field(default=64, ge=1, le=4096)
    patches: int = Field(default=20_000, ge=2, le=10_000_000)
    passes: int = Field(default=10, ge=1, le=1000)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.masks.frame_stretches:
            raise ValueError("clusters are told at masked frames; ask for frame_stretches")
        if self.patches < self.clusters:
            raise ValueError(
                f"{self.clusters} clusters cannot be learnt from {self.patches} patches; ask for more patches"
            )
        return self


class ContrastiveObjective(Strict):
    """Two crops of a clip against all others', see :mod:`streamdeep_trainer.objectives.contrastive`.

    Attributes:
        kind: ``contrastive``.
        temperature: similarities are divided by it.
        hidden: units of the projection's hidden layer.
        width: of what is compared.
    """

    measure: ClassVar[str] = "NT-Xent"
    n_views: ClassVar[int] = 2
    masks: ClassVar[None] = None
    kind: Literal["contrastive"]
    temperature: float = Field(default=0.1, ge=1e-3, le=100.0)
    hidden: Width = 256
    width: Width = 128


class VicregObjective(Strict):
    """Two crops of a clip alike, without others, see :mod:`streamdeep_trainer.objectives.vicreg`.

    Attributes:
        kind: ``vicreg``.
        invariance: weight of how far the two crops of a clip are apart.
        variance: weight of how far deviations over the batch stay below 1.
        covariance: weight of how much values tell of each other.
        hidden: units of the projection's hidden layer.
        width: of what is compared.
    """

    measure: ClassVar[str] = "VICReg"
    n_views: ClassVar[int] = 2
    masks: ClassVar[None] = None
    kind: Literal["vicreg"]
    invariance: Weight = 25.0
    variance: Weight = 25.0
    covariance: Weight = 1.0
    hidden: Width = 256
    width: Width = 256

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.invariance and not self.variance and not self.covariance:
            raise ValueError("the weights of all three terms are 0; nothing would be learnt")
        return self


class ByolObjective(Strict):
    """One crop of a clip from the other, without other clips, see :mod:`streamdeep_trainer.objectives.byol`.

    Attributes:
        kind: ``byol``.
        decay: share of itself that the copy which is told keeps at each step; what is left follows the network.
        hidden: units of the hidden layers of projection and predictor.
        width: of what is compared.
    """

    measure: ClassVar[str] = "BYOL"
    n_views: ClassVar[int] = 2
    masks: ClassVar[None] = None
    kind: Literal["byol"]
    decay: float = Field(default=0.99, ge=0.0, lt=1.0)
    hidden: Width = 256
    width: Width = 256


def _kind(value: Any) -> str:
    """The kind of a table or record; ``reconstruction`` where a table does not say."""
    if isinstance(value, dict):
        return str(value.get("kind", "reconstruction"))
    return str(getattr(value, "kind", "reconstruction"))


ObjectiveRecipe = Annotated[
    Annotated[ReconstructionObjective, Tag("reconstruction")]
    | Annotated[MaskedObjective, Tag("masked")]
    | Annotated[PredictionObjective, Tag("prediction")]
    | Annotated[ClusterPredictionObjective, Tag("cluster-prediction")]
    | Annotated[ContrastiveObjective, Tag("contrastive")]
    | Annotated[VicregObjective, Tag("vicreg")]
    | Annotated[ByolObjective, Tag("byol")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message="unknown kind; choose reconstruction, masked, prediction, cluster-prediction, contrastive, vicreg or byol",
    ),
]
