"""A recipe: everything that decides what a training run gives, as one TOML file.

Frozen records; unknown keys are errors. A recipe travels whole into the checkpoint and into the model
file's provenance. Not here: where data and results lie, which are the command line's.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from streamdeep.config import Strict
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.augment_recipe import AugmentRecipe, GainDb
from streamdeep_trainer.evaluate_recipe import ClassifierName as ClassifierName
from streamdeep_trainer.evaluate_recipe import EvaluateRecipe as EvaluateRecipe
from streamdeep_trainer.evaluate_recipe import HeadRecipe as HeadRecipe
from streamdeep_trainer.frontend_recipe import STORED_CEILING_DB as STORED_CEILING_DB
from streamdeep_trainer.frontend_recipe import STORED_FLOOR_DB as STORED_FLOOR_DB
from streamdeep_trainer.frontend_recipe import FrontendRecipe as FrontendRecipe
from streamdeep_trainer.frontend_recipe import SegmentRecipe as SegmentRecipe
from streamdeep_trainer.model_recipe import (
    DictionaryModel,
    ExactModel,
    FrequencyModel,
    ModelRecipe,
    TimeModel,
)
from streamdeep_trainer.objective_recipe import (
    ClusterPredictionObjective,
    MaskedObjective,
    ObjectiveRecipe,
    PredictionObjective,
    ReconstructionObjective,
)
from streamdeep_trainer.view_recipe import ViewRecipe as ViewRecipe

_OF_FRAMES = (MaskedObjective, PredictionObjective, ClusterPredictionObjective)


class FitRecipe(Strict):
    """The loop.

    Attributes:
        epochs: each sees one random crop of every clip.
        batch_size: crops per step.
        learning_rate: Adam's.
        gradient_clip: gradients are clipped to this magnitude, value by value, as auDeep does.
        dropout: between layers.
        frame_dropout: of whole frames of the decoder's input.
        gain_db: each crop is made louder or quieter by up to this, evenly drawn.
        validation_fraction: part of the clips that is held out to measure the loss on.
        seed: of initial weights, held-out part, crops, gains and dropouts.
        threads: torch's.
        accelerator: what Fabric runs on; a run is repeatable to the bit on ``cpu``.
        devices: how many share each batch, a process for each; of ``cpu`` too. The loss and, but for
            rounding, its gradients are those of one device; dropouts are drawn differently.
        precision: of the network's arithmetic while training; ``16-mixed`` needs a CUDA device. The loss,
            weights and everything after training are float32.
        patience: stop when so many epochs brought no lower loss on the held-out clips, and export the
            weights of the epoch where it was lowest. None runs all epochs and exports the last.
        tensorboard: also write losses, embeddings and reconstructions for TensorBoard.
    """

    epochs: int = Field(default=40, ge=0)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    gradient_clip: float = Field(default=2.0, gt=0.0)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    frame_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    gain_db: GainDb = 0.0
    validation_fraction: float = Field(default=0.05, ge=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    threads: int = Field(default=1, ge=1, le=256)
    accelerator: Literal["cpu", "cuda", "auto"] = "cpu"
    devices: int = Field(default=1, ge=1, le=64)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    patience: int | None = Field(default=None, ge=1)
    tensorboard: bool = False


class Recipe(Strict):
    """One experiment.

    Attributes:
        description: one line for people.
        data: name and origin of the data, for provenance.
        licence: of the data, for provenance.
        frontend: from samples to frames.
        segment: which frames make one embedding.
        model: the network.
        objective: what training minimises.
        augment: what is done to each crop before.
        fit: the loop.
        evaluate: how good the embeddings are.
        head: a classifier to run live.
        views: two or more make the run train one network per view and fuse them into one model.
    """

    description: str = ""
    data: str = ""
    licence: str = ""
    frontend: FrontendRecipe = FrontendRecipe()
    segment: SegmentRecipe = SegmentRecipe()
    model: ModelRecipe = TimeModel()
    objective: ObjectiveRecipe = ReconstructionObjective()
    augment: AugmentRecipe = AugmentRecipe()
    fit: FitRecipe = FitRecipe()
    evaluate: EvaluateRecipe = EvaluateRecipe()
    head: HeadRecipe = HeadRecipe()
    views: tuple[ViewRecipe, ...] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        try:
            self.segment.config(self.frontend.stored())
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        self._check_objective()
        self._check_attention()
        self._check_augment()
        self._check_views()
        return self

    def _check_objective(self) -> None:
        objective, fit = self.objective, self.fit
        if isinstance(objective, ReconstructionObjective):
            return
        name = objective.kind
        if isinstance(self.model, DictionaryModel):
            raise ValueError(f"a dictionary is learnt without gradients; {name} is for networks")
        if fit.devices > 1:
            raise ValueError(
                f"{name} runs on one device, and [fit] says devices = {fit.devices}; "
                "reconstruction alone is spread over several"
            )
        if objective.n_views > fit.batch_size:
            raise ValueError(f"{name} compares clips; set batch_size to 2 or more")
        if isinstance(objective, ClusterPredictionObjective):
            n_values = objective.frames * self.frontend.bands
            if objective.components > n_values:
                raise ValueError(
                    f"components = {objective.components}, and patches have {n_values} values"
                )
        if isinstance(objective, PredictionObjective):
            if self.model.bidirectional_encoder:
                raise ValueError("prediction needs an encoder that has not seen what is to come")
            if max(objective.ahead_frames) >= self.crop_frames:
                raise ValueError(
                    f"ahead_frames = {max(objective.ahead_frames)}, and crops have {self.crop_frames} frames"
                )

    def _check_attention(self) -> None:
        """It is learnt through the embedding; what looks at frames one by one would leave it as it was drawn."""
        model, objective = self.model, self.objective
        if isinstance(model, DictionaryModel | ExactModel) or model.readout != "attention":
            return
        of_frames = isinstance(model, FrequencyModel) and objective == ReconstructionObjective()
        if of_frames or isinstance(objective, _OF_FRAMES):
            raise ValueError(
                f"{objective.kind} of {model.kind} looks at frames one by one and would leave readout = 'attention' "
                "untrained; use 'pooled', or an objective that looks at the embedding, such as vicreg"
            )

    def _check_augment(self) -> None:
        augment, objective = self.augment, self.objective
        if isinstance(self.model, DictionaryModel) and augment != AugmentRecipe():
            raise ValueError("a dictionary knows of augmentation only the gain_db of [fit]")
        if augment.gain_db and self.fit.gain_db:
            raise ValueError("gain_db stands in [fit] and in [augment]; leave one out")
        if augment.masks is not None and isinstance(objective, ReconstructionObjective):
            raise ValueError(
                "what is masked would be reconstructed as if it were sound; see masked"
            )
        if augment.masks is not None and objective.masks is not None:
            raise ValueError(f"{objective.kind} has masks of its own; leave those of [augment] out")
        for masks in (augment.masks, objective.masks):
            if masks is not None and masks.band_stretches:
                self._check_bands(masks.widest_bands, "widest_bands")
        self._check_bands(augment.shift_bands, "shift_bands")
        useless = [r for r in augment.source_rates_hz if r >= self.frontend.sample_rate_hz]
        if useless:
            raise ValueError(
                f"a source of {useless[0]} Hz loses nothing in a front-end of {self.frontend.sample_rate_hz} Hz"
            )

    def _check_bands(self, n_bands: int, key: str) -> None:
        if n_bands >= self.frontend.bands:
            raise ValueError(f"{key} = {n_bands}, and a frame has {self.frontend.bands} bands")

    @property
    def crop_frames(self) -> int:
        """Frames of a training crop, where the clip has them."""
        segment = self.segment.config(self.frontend.stored())
        return max(1, round(self.augment.crop * segment.length_frames))

    @property
    def gain_db(self) -> float:
        """By how much crops are made louder or quieter, wherever it is said."""
        return self.augment.gain_db or self.fit.gain_db

    def _check_views(self) -> None:
        if len(self.views) == 1:
            raise ValueError("one view is no fusion; say in [frontend] what it differs in")
        useless = {
            "fixed": {"clip_below_db", "clip_above_db"},
            "segment": {"floor_db", "ceiling_db"},
        }
        seen: list[Recipe] = []
        for view in self.views:
            wrong = sorted(useless[self.frontend.level] & view.frontend_changes.keys())
            if wrong:
                raise ValueError(
                    f"the view {view.name!r} has {wrong[0]}, which a {self.frontend.level} level does not use"
                )
            if view.model_changes and not isinstance(self.model, DictionaryModel):
                raise ValueError(
                    f"the view {view.name!r} has dictionaries, and the model is of kind {self.model.kind!r}"
                )
            single = self.of_view(view)
            for other, earlier in zip(self.views, seen, strict=False):
                if view.name == other.name or single.frontend == earlier.frontend:
                    raise ValueError(
                        f"the views {other.name!r} and {view.name!r} must differ in name and in front-end"
                    )
            seen.append(single)

    def of_view(self, view: ViewRecipe) -> "Recipe":
        """The recipe of one view alone: an ordinary recipe, ``<name>-<view>``.

        Where the views have several channels, every one of them sums spectra: what a fused model does, so
        that its embeddings equal the single models'.
        """
        channels = {other.channel or self.frontend.channel for other in self.views}
        fusion = {"fusion": "spectra"} if len(channels) > 1 else {}
        whole = self.model_dump()
        return Recipe.model_validate(
            whole
            | {
                "frontend": whole["frontend"] | fusion | view.frontend_changes,
                "model": whole["model"]
                | view.model_changes
                | {"name": f"{self.model.name}-{view.name}"},
                "views": (),
            }
        )

    @property
    def singles(self) -> dict[str, "Recipe"]:
        """The recipe of each view by the view's name; empty without views."""
        return {view.name: self.of_view(view) for view in self.views}

    def with_seed(self, seed: int | None) -> Self:
        """The same experiment with another seed."""
        if seed is None:
            return self
        return self.model_copy(update={"fit": self.fit.model_copy(update={"seed": seed})})
