"""Which systems a comparison can name, and what makes each: one entry per kind.

A new kind is a class beside ``encoder`` and ``pooled``, and an entry here. What an entry needs is imported when it is
made, so that a comparison loads only what it compares.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field, ValidationError

from streamdeep.config import Strict, describe
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.baselines.settings import (
    DcganSettings,
    ForeignSettings,
    FrameMlpSettings,
    ModelFileSettings,
    SegmentCnnSettings,
    SparseCodingSettings,
)
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import DecidingSystem, FeatureSystem
from streamdeep_trainer.comparing.variation import varied
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.frontend_recipe import SegmentRecipe

System = FeatureSystem | DecidingSystem

_Options = TypeVar("_Options", bound=Strict)


class NoOptions(Strict):
    """Of kinds that a recipe says all about."""


@dataclass(frozen=True, slots=True)
class Request(Generic[_Options]):
    """What a system is made of.

    Attributes:
        name: what tables call it.
        recipe: with its changes; None if none was given.
        options: of its kind.
        spectra: of all clips, by front-end.
    """

    name: str
    recipe: Recipe | None
    options: _Options
    spectra: Spectra

    @property
    def given_recipe(self) -> Recipe:
        """The recipe.

        Raises:
            ConfigurationError: there is none.
        """
        if self.recipe is None:
            raise ConfigurationError(
                f'the system {self.name!r} needs a recipe; write recipe = "esc10.toml"'
            )
        return self.recipe


@dataclass(frozen=True, slots=True)
class Kind(Generic[_Options]):
    """One kind of system.

    Attributes:
        make: a system of it; ConfigurationError if it cannot be.
        options: the record of its options.
    """

    make: Callable[[Request[_Options]], System]
    options: type[_Options]

    def system(
        self, name: str, recipe: Recipe | None, options: dict[str, Any], spectra: Spectra
    ) -> System:
        """A system of this kind.

        Raises:
            ConfigurationError: wrong options, or it cannot be.
        """
        try:
            checked = self.options.model_validate(options)
        except ValidationError as error:
            raise ConfigurationError(f"options of {name!r}: {describe(error)}") from error
        return self.make(Request(name, recipe, checked, spectra))


def _encoder(request: Request[NoOptions]) -> FeatureSystem:
    from streamdeep_trainer.building import shape_of
    from streamdeep_trainer.comparing.encoder import EncoderSystem

    recipe = request.given_recipe
    for single in (recipe.singles or {"": recipe}).values():
        shape_of(single)
    return EncoderSystem(request.name, recipe, request.spectra)


def _pooled_logmel(request: Request[NoOptions]) -> FeatureSystem:
    from streamdeep_trainer.comparing.pooled import PooledLogmelSystem

    return PooledLogmelSystem(request.name, request.given_recipe, request.spectra)


def _frame_mlp(request: Request[FrameMlpSettings]) -> DecidingSystem:
    from streamdeep_trainer.baselines.frame_mlp import learn
    from streamdeep_trainer.comparing.deciding import FramesSystem

    learn_so = partial(learn, request.options)
    return FramesSystem(request.name, request.given_recipe, request.spectra, learn_so)


def _segment_cnn(request: Request[SegmentCnnSettings]) -> DecidingSystem:
    from streamdeep_trainer.baselines.segment_cnn import learn
    from streamdeep_trainer.comparing.deciding import FramesSystem

    learn_so = partial(learn, request.options)
    return FramesSystem(request.name, request.given_recipe, request.spectra, learn_so)


def _sparse_coding(request: Request[SparseCodingSettings]) -> FeatureSystem:
    from streamdeep_trainer.comparing.learnt import SparseCodingSystem

    return SparseCodingSystem(request.name, request.given_recipe, request.spectra, request.options)


def _dcgan(request: Request[DcganSettings]) -> FeatureSystem:
    from streamdeep_trainer.comparing.learnt import DcganSystem

    return DcganSystem(request.name, request.given_recipe, request.spectra, request.options)


def _model_file(request: Request[ModelFileSettings]) -> FeatureSystem:
    from streamdeep.encoder.model import default_model_path
    from streamdeep_trainer.comparing.given import ModelFileSystem

    file = request.options.file or default_model_path()
    return ModelFileSystem(request.name, _existing(file))


def _foreign(request: Request[ForeignSettings]) -> FeatureSystem:
    from streamdeep_trainer.comparing.given import ForeignSystem

    _existing(request.options.file)
    return ForeignSystem(request.name, request.recipe, request.spectra, request.options)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise ConfigurationError(
            f"there is no file {file}; paths begin where the command is called"
        )
    return file


class PartOptions(Strict):
    """One part of a fused system.

    Attributes:
        kind: of features.
        changes: paths of the recipe that are other for this part, and their values.
        options: of this kind.
    """

    kind: str
    changes: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)


class FusedOptions(Strict):
    """Of systems whose features stand side by side.

    Attributes:
        parts: all of them by the one recipe that is given, with their changes.
    """

    parts: tuple[PartOptions, ...] = Field(min_length=2, max_length=16)


def _fused(request: Request[FusedOptions]) -> FeatureSystem:
    from streamdeep_trainer.comparing.fused import FusedSystem

    made: list[FeatureSystem] = []
    for number, part in enumerate(request.options.parts, start=1):
        try:
            made.append(_part(part, request))
        except ConfigurationError as error:
            raise ConfigurationError(
                f"part {number} ({part.kind}) of {request.name!r}: {error}"
            ) from error
    return FusedSystem(request.name, tuple(made))


def _part(part: PartOptions, request: Request[FusedOptions]) -> FeatureSystem:
    recipe = varied(request.recipe, part.changes)
    if recipe is not None and request.recipe is not None:
        if _cut(recipe) != _cut(request.recipe):
            raise ConfigurationError(
                "parts have to cut the same segments; leave segment, hop_s and sample_rate_hz out of changes"
            )
        if part.changes and part.kind == "model-file":
            raise ConfigurationError("a model file has learnt already; take its changes out")
    system = kind_of(part.kind).system(part.kind, recipe, part.options, request.spectra)
    if not isinstance(system, FeatureSystem):
        raise ConfigurationError("it decides itself and has no features; take it out of parts")
    return system


def _cut(recipe: Recipe) -> tuple[SegmentRecipe, float, int]:
    return recipe.segment, recipe.frontend.hop_s, recipe.frontend.sample_rate_hz


KINDS: dict[str, Kind[Any]] = {
    "encoder": Kind(_encoder, NoOptions),
    "pooled-logmel": Kind(_pooled_logmel, NoOptions),
    "dcase2017-mlp": Kind(_frame_mlp, FrameMlpSettings),
    "piczak-cnn": Kind(_segment_cnn, SegmentCnnSettings),
    "sparse-coding": Kind(_sparse_coding, SparseCodingSettings),
    "dcgan": Kind(_dcgan, DcganSettings),
    "model-file": Kind(_model_file, ModelFileSettings),
    "foreign": Kind(_foreign, ForeignSettings),
    "fused": Kind(_fused, FusedOptions),
}
"""By the name that a comparison's file gives."""


def kind_of(name: str) -> Kind[Any]:
    """By name.

    Raises:
        ConfigurationError: there is none such.
    """
    if name not in KINDS:
        raise ConfigurationError(f"there is no kind {name!r}; choose {', '.join(KINDS)}")
    return KINDS[name]
