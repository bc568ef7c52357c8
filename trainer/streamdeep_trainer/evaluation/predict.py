"""Labels for files that have none: a classifier is taught by one table and asked about another.

The result is auDeep's file: filename, tab, label, sorted by filename. Probabilities of the linear machine, which
has none of its own, come from its decision values by one temperature (Guo et al. 2017), fitted on files that the
machine had not heard; they never contradict the label. Those of the neural classifier are its own, and those of
a vote are the shares of the votes. Not here: reading tables (``tables``), the classifiers (``classify``, ``mlp``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.classify import Rows, inner_folds, learn
from streamdeep_trainer.evaluation.decisions import mean_values, vote_shares
from streamdeep_trainer.evaluation.judging import Method, check_labels, rows_of
from streamdeep_trainer.writing import writing

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What was said of each file.

    Attributes:
        filenames: ascending.
        labels: one per file.
        names: the classes, ascending; columns of ``probabilities``.
        probabilities: ``(files, classes)`` float64, rows sum to 1; None if nobody asked.
        c: the regularisation that the training part chose; 0 if the classifier has none.
    """

    filenames: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    probabilities: NDArray[np.float64] | None
    c: float


def predict(
    teaching: tuple[Sequence[Clip], Vectors, NDArray[np.int64]],
    asked: tuple[Sequence[Clip], Vectors, NDArray[np.int64]],
    *,
    method: Method,
    seed: int = 0,
    probabilities: bool = False,
) -> Predictions:
    """Teach on some clips, answer for others.

    Args:
        teaching: labelled clips, ``(rows, dim)`` float32, ``(rows,)`` each row's clip.
        asked: the same; labels are not looked at.
        method: how to classify.
        seed: of the classifier.
        probabilities: also say how sure; the linear machine is then fitted once more per inner fold.

    Raises:
        ConfigurationError: labels are missing, or there are too few files to choose by.
    """
    clips, vectors, clip_rows = asked
    check_labels(teaching[0])
    rows, names = rows_of(*teaching)
    every = np.ones(len(teaching[0]), dtype=np.bool_)
    fitted, c = learn(
        rows,
        every,
        grid=method.grid,
        make=method.make,
        seed=seed,
        upsample=method.upsample,
        majority_vote=method.majority_vote,
    )
    ask = vote_shares if method.majority_vote else mean_values
    found, values = ask(fitted, vectors, clip_rows)
    chosen = [names[int(number)] for number in fitted.classes_[values.argmax(axis=1)]]
    shares = None
    if probabilities:
        # those that have a grid, and they alone, have decision values that are no probabilities
        raw = bool(method.grid) and not method.majority_vote
        shares = softmax(values, temperature_of(rows, method, c, seed=seed)) if raw else values
    order = sorted(range(len(found)), key=lambda row: clips[int(found[row])].filename)
    return Predictions(
        filenames=tuple(clips[int(found[row])].filename for row in order),
        labels=tuple(chosen[row] for row in order),
        names=names,
        probabilities=None if shares is None else shares[order],
        c=c,
    )


def temperature_of(rows: Rows, method: Method, c: float, *, seed: int) -> float:
    """The temperature that makes held-out files' labels likeliest, by inner folds.

    Args:
        rows: that teach.
        method: without a vote.
        c: the regularisation.
        seed: of the classifier.

    Raises:
        ConfigurationError: there are too few files per class.
    """
    n_classes = len(np.unique(rows.labels))
    every = np.ones(len(rows.vectors), dtype=np.bool_)
    folds = inner_folds(rows, every)
    values, truths = [], []
    for fold in np.unique(folds):
        out = folds == fold
        if len(np.unique(rows.labels[~out])) < n_classes:
            continue  # columns would be missing
        fitted, _ = learn(
            rows, ~out, grid=(c,), make=method.make, seed=seed, upsample=method.upsample
        )
        asked = out[rows.clips]
        clips, found = mean_values(fitted, rows.vectors[asked], rows.clips[asked])
        values.append(found)
        truths.append(rows.labels[clips])
    if not values:
        raise ConfigurationError(
            "probabilities need two or more files of every class; add files, or leave out --probabilities"
        )
    return best_temperature(np.concatenate(values), np.concatenate(truths))


def best_temperature(values: NDArray[np.float64], truths: NDArray[np.int64]) -> float:
    """Minimises the cross-entropy of ``softmax(values / temperature)``.

    Args:
        values: ``(files, classes)``.
        truths: ``(files,)``, columns.

    Returns:
        Between 1/1000 and 1000, where perfect answers would have it fall to 0. The loss is convex in the
        inverse, so that there is one minimum.
    """

    def loss(logarithm: float) -> float:
        shares = softmax(values, float(np.exp(logarithm)))
        return -float(np.log(shares[np.arange(len(truths)), truths] + 1e-300).mean())

    limit = float(np.log(1000.0))
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))


def softmax(values: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """``(files, classes)`` to shares of 1."""
    powers = np.exp((values - values.max(axis=1, keepdims=True)) / temperature)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def write_predictions(path: Path, found: Predictions, *, header: bool = False) -> None:
    """Write them as tab-separated UTF-8 text, so that a crash leaves the old file or the new one.

    Args:
        path: where to.
        found: probabilities become further columns, one per class, with six digits.
        header: begin with ``filename``, ``label`` and the classes.

    Raises:
        ConfigurationError: a filename or label has a tab or a line end in it, or it cannot be written.
    """
    lines = [["filename", "label", *(found.names if found.probabilities is not None else ())]]
    for row, (filename, label) in enumerate(zip(found.filenames, found.labels, strict=True)):
        shares = [] if found.probabilities is None else found.probabilities[row].tolist()
        lines.append([filename, label, *(f"{share:.6f}" for share in shares)])
    for cell in (cell for line in lines for cell in line):
        if any(sign in cell for sign in "\t\r\n"):
            raise ConfigurationError(f"{cell!r} cannot stand in a tab-separated file; rename it")
    draft = path.with_suffix(path.suffix + ".part")
    text = "".join("\t".join(line) + "\n" for line in lines[0 if header else 1 :])
    with writing(path):
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
