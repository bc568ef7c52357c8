"""A recipe's ``[evaluate]`` and ``[head]``: what is made of embeddings. Not here: what makes them (``config``)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from streamdeep.config import Strict

ClassifierName = Literal[
    "linear-svm",
    "linear-svm-pca",
    "linear-svm-anova",
    "logistic-regression",
    "ridge",
    "k-nn",
    "mlp",
    "mlp-audeep",
]


class EvaluateRecipe(Strict):
    """How good the embeddings are.

    Attributes:
        classifiers: each judges for itself.
        c_grid: regularisations of the linear classifiers to choose from, by inner folds of the training part alone.
        n_folds: how many to make where the data has none.
        seeds: of made folds and of the classifiers, each a repeat; results are means over them.
        majority_vote: a file's segments vote; otherwise their mean decides.
        upsample: repeat files of rare classes, in the training part alone.
        quoted: published figures to show beside one's own, see ``baselines.quoted``.
    """

    classifiers: tuple[ClassifierName, ...] = Field(default=("linear-svm",), min_length=1)
    c_grid: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(1e-4, 1e-3, 1e-2, 1e-1), min_length=1
    )
    n_folds: int = Field(default=5, ge=2)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    majority_vote: bool = False
    upsample: bool = False
    quoted: Literal["esc10", "esc10-fused", "esc50", "gtzan", "tut2017"] | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.classifiers)) < len(self.classifiers):
            raise ValueError("classifiers names one twice; seeds make repeats")
        return self


class HeadRecipe(Strict):
    """A classifier to run live.

    Attributes:
        name: what the head calls itself on the wire.
        conditions: each clip is also learnt as it sounds under these, by the names that ``robustness`` has for them, so
            that another microphone, line or room works.
        c_grid: regularisations of the logistic regression to choose from.
    """

    name: str = Field(default="scene", min_length=1, max_length=64)
    conditions: tuple[str, ...] = Field(
        default=(
            "gain:-20dB",
            "gain:-10dB",
            "gain:+10dB",
            "rate:8kHz",
            "rate:16kHz",
            "white:20dB",
        ),
        max_length=32,
    )
    c_grid: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(1e-3, 1e-2, 1e-1), min_length=1
    )
