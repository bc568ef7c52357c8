"""Classifiers by the names that users type, and their settings.

Not here: the classifiers (``classify``, ``mlp``), which are imported when they are made, so that a command line
need not load scikit-learn and torch to show its help.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import ClassifierName

if TYPE_CHECKING:
    from streamdeep_trainer.evaluation.decisions import Classifier
    from streamdeep_trainer.evaluation.judging import Method


_LINEAR = ("linear-svm", "linear-svm-pca", "linear-svm-anova", "logistic-regression", "ridge")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user wants of a classifier.

    Attributes:
        classifier: ``linear-svm``, ``logistic-regression``, ``ridge``; ``linear-svm-pca`` and
            ``linear-svm-anova``, the first on fewer features; ``k-nn``; ``mlp``, auDeep's with ordinary logits;
            ``mlp-audeep``, exactly auDeep's.
        complexity: C of the linear ones; None: chosen within each training part, as is k of ``k-nn``.
        mlp: changes to the neural one as ``keep=0.4,epochs=200``.
        upsample: see :class:`streamdeep_trainer.evaluation.judging.Method`.
        majority_vote: likewise.
    """

    classifier: ClassifierName = "linear-svm"
    complexity: float | None = None
    mlp: str | None = None
    upsample: bool = False
    majority_vote: bool = False

    def method(self, c_grid: Sequence[float]) -> "Method":
        """The method.

        Args:
            c_grid: values to choose C from, if the user gave none.

        Raises:
            ConfigurationError: a setting does not go with the classifier, or is wrong.
        """
        from streamdeep_trainer.evaluation.judging import Method

        if self.mlp is not None and self.classifier not in ("mlp", "mlp-audeep"):
            raise ConfigurationError("--mlp is for --classifier mlp and mlp-audeep")
        if self.classifier in _LINEAR:
            if self.complexity is not None and not 0.0 < self.complexity < float("inf"):
                raise ConfigurationError(f"--complexity {self.complexity:g} is not above 0")
            grid = sorted(c_grid) if self.complexity is None else [self.complexity]
            return self._linear(grid)
        if self.complexity is not None:
            raise ConfigurationError(f"--complexity is for --classifier {', '.join(_LINEAR)}")
        if self.classifier == "k-nn":
            from streamdeep_trainer.evaluation.neighbours import K_GRID, neighbours

            return Method(neighbours, K_GRID, self.upsample, self.majority_vote)
        from streamdeep_trainer.evaluation.mlp import Mlp, MlpConfig

        variant: Literal["plain", "audeep-exact"] = (
            "plain" if self.classifier == "mlp" else "audeep-exact"
        )
        settings = _settings(self.mlp, {field.name for field in fields(MlpConfig)} - {"variant"})
        integers = {
            name: _whole(name, value)
            for name, value in settings.items()
            if name in ("layers", "units", "epochs")
        }
        config = MlpConfig(variant, **(settings | integers))  # type: ignore[arg-type]

        def make(_: float, seed: int) -> "Classifier":
            return Mlp(config, seed)

        return Method(make, (), self.upsample, self.majority_vote)

    def _linear(self, grid: Sequence[float]) -> "Method":
        from streamdeep_trainer.evaluation.judging import Method

        if self.classifier in ("linear-svm-pca", "linear-svm-anova"):
            from streamdeep_trainer.evaluation.reduction import grid_of, reduced_svm

            make = reduced_svm("pca" if self.classifier == "linear-svm-pca" else "anova")
            return Method(make, grid_of(grid), self.upsample, self.majority_vote)
        from streamdeep_trainer.evaluation.classify import linear_svm, logistic, ridge

        make_linear = {"linear-svm": linear_svm, "ridge": ridge, "logistic-regression": logistic}
        return Method(make_linear[self.classifier], tuple(grid), self.upsample, self.majority_vote)


def _settings(text: str | None, known: set[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in (text or "").split(","):
        name, _, value = item.partition("=")
        if not item:
            continue
        if name not in known:
            raise ConfigurationError(f"the MLP has no {name!r}; use {', '.join(sorted(known))}")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise ConfigurationError(f"{item!r} is no setting; write it like keep=0.4") from error
    return found


def _whole(name: str, value: float) -> int:
    if not value.is_integer():
        raise ConfigurationError(f"the MLP's {name} are whole numbers, not {value:g}")
    return int(value)
