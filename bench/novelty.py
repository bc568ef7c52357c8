"""``python -m bench.novelty``: does the novelty score find sound of a kind that was not in the training?

Of ESC-10 one class after the other is left out. The statistics are fitted on four of the five official folds of the
other nine classes; the fifth is scored, the left-out class included. The area under the ROC curve is the probability that a
clip of the left-out class scores higher than one of the nine. Beside it, on the same embeddings, what scikit-learn has
for the purpose, and how often clips of the nine classes are called novel if one asks for 1 or 5 %.

The encoder is not trained again: the embedded one has heard all clips, without labels; its untrained twin has heard none
(only its input's levels and its readout's means are the data's), and pooled log-Mel has no encoder.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM

from bench.record import SEED
from bench.report import table
from streamdeep import onnxfile
from streamdeep.encoder.model import default_model_path, load_model
from streamdeep.heads.drift import Drift
from streamdeep.heads.novelty import Novelty
from streamdeep.records import NoveltyScale
from streamdeep_trainer.baselines.pooled_logmel import pooled_logmel
from streamdeep_trainer.building import untrained_network
from streamdeep_trainer.checkpoint import Checkpoint, weights_of
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fusion import fuse_models, load_part
from streamdeep_trainer.spectrograms import make_spectrograms
from streamdeep_trainer.statistics import conformal_quantiles, describe_embeddings, held_out_scores

OUT = Path(__file__).parent / "novelty.md"
RATES = (0.01, 0.05)
N_AXES = 32
DAY_S, CLIP_S = 86_400, 5
Score = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float64]]
"""Rows to fit to, rows to score, to a number per row; higher is newer."""


@dataclass(frozen=True)
class Kind:
    """Embeddings of all clips: one row each, the mean over its segments' rows where it has several."""

    name: str
    rows: NDArray[np.float32]
    labels: NDArray[np.str_]
    folds: NDArray[np.int64]


# --- what is compared ------------------------------------------------------------------------------------


def fitted(training: NDArray[np.float32]) -> Novelty:
    """As a model file has it."""
    found, _ = describe_embeddings(training)
    return Novelty(found.mean.array(), found.axes.array(), found.centres.array(), found.mean_square)


def ours(training, rows):
    return fitted(training).scores(rows)


def principal(training, rows):
    """Coordinates of both along the first axes of the training."""
    mean = training.mean(axis=0)
    _, _, axes = np.linalg.svd(training - mean, full_matrices=False)
    return (training - mean) @ axes[:N_AXES].T, (rows - mean) @ axes[:N_AXES].T


def nearest(training, rows):
    return NearestNeighbors(n_neighbors=1).fit(training).kneighbors(rows)[0][:, 0]


def nearest_principal(training, rows):
    return nearest(*principal(training, rows))


def probabilistic_components(training, rows):
    # The likelihood of probabilistic principal component analysis (Tipping and Bishop 1999), but for its constant.
    found = PCA(N_AXES, svd_solver="full").fit(training.astype(np.float64))
    along = np.square(found.transform(rows))
    left = np.maximum(np.square(rows - found.mean_).sum(axis=1) - along.sum(axis=1), 0.0)
    return (along / found.explained_variance_).sum(axis=1) + left / found.noise_variance_


def mahalanobis(training, rows):
    # Shrunk towards a multiple of the identity (Ledoit and Wolf 2004), so that it has an inverse; worked out in
    # the training rows' own coordinates, since with more values than rows it has no other axes.
    mean = training.mean(axis=0, dtype=np.float64)
    centred, deviations = training - mean, rows - mean
    share = ledoit_wolf_shrinkage(centred, assume_centered=True)
    floor = share * np.square(centred).mean()
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    along = np.square(deviations @ axes.T)
    left = np.maximum(np.square(deviations).sum(axis=1) - along.sum(axis=1), 0.0)
    variances = (1.0 - share) * singular**2 / len(training) + floor
    return (along / variances).sum(axis=1) + left / floor


def one_class_svm(training, rows):
    return -OneClassSVM(gamma="scale", nu=0.1).fit(training).decision_function(rows)


SCORES: dict[str, Score] = {
    "streamdeep's score (32 centres, 32 axes)": ours,
    "probabilistic PCA, 32 axes": probabilistic_components,
    "Mahalanobis, Ledoit-Wolf": mahalanobis,
    "one-class SVM": one_class_svm,
    "nearest training clip": nearest,
    "nearest training clip, along 32 axes": nearest_principal,
}


# --- embeddings ------------------------------------------------------------------------------------------


def kinds(clips: list[Clip], folder: Path) -> Iterator[Kind]:
    for name, path in (("embedded encoder", default_model_path()), ("untrained twin", twin(clips, folder))):  # fmt: skip
        found = embed_clips(clips, path)
        yield kind(name, found.clips, found.vectors, found.clip_rows)
    contract = load_model().contract
    yield kind("pooled log-Mel", *pooled_logmel(clips, contract.frontend, contract.segment))


def kind(name, clips, vectors, clip_rows) -> Kind:
    means = [vectors[clip_rows == row].mean(axis=0) for row in range(len(clips))]
    labels = np.array([str(clip.label) for clip in clips])
    return Kind(name, np.stack(means), labels, np.array([clip.fold for clip in clips]))


def twin(clips: list[Clip], folder: Path) -> Path:
    """The embedded model as it was before its training: view by view, then fused."""
    contract = load_model().contract
    parts = []
    for about, view in zip(contract.provenance["fused"], contract.frontend.views, strict=True):
        recipe = Recipe.model_validate(about["recipe"])
        checkpoint = Checkpoint(
            recipe,
            n_epochs=0,
            levels=(view.level.floor_db, view.level.ceiling_db),
            held_out=(),
            weights=weights_of(untrained_network(recipe)),
        )
        spectrograms = make_spectrograms(clips, recipe.frontend.stored())
        path = folder / f"{about['name']}.onnx"
        onnxfile.write(path, export_model(checkpoint, spectrograms, untrained=True))
        parts.append(load_part(path))
    onnxfile.write(folder / "twin.onnx", fuse_models(parts, name="untrained"))
    return folder / "twin.onnx"


# --- measures --------------------------------------------------------------------------------------------


def splits(kind: Kind) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Left-out class, rows to fit to, rows to score."""
    for label in np.unique(kind.labels):
        for fold in np.unique(kind.folds):
            yield label, (kind.folds != fold) & (kind.labels != label), kind.folds == fold


def areas(kind: Kind, score: Score) -> dict[str, float]:
    """Area under the curve by left-out class, mean over folds."""
    found: dict[str, list[float]] = {}
    for label, training, scored in splits(kind):
        new = kind.labels[scored] == label
        value = roc_auc_score(new, score(kind.rows[training], kind.rows[scored]))
        found.setdefault(label, []).append(float(value))
    return {label: float(np.mean(values)) for label, values in found.items()}


def false_alarms(kind: Kind) -> dict[str, list[float]]:
    """How often held-out clips of known classes are novel, at thresholds of two kinds."""
    own: list[list[bool]] = [[] for _ in RATES]
    held_out: list[list[bool]] = [[] for _ in RATES]
    for label, training, scored in splits(kind):
        rows, novelty = kind.rows[training], fitted(kind.rows[training])
        known = novelty.scores(kind.rows[scored & (kind.labels != label)])
        told = held_out_scores(rows, kind.folds[training])
        for place, rate in enumerate(RATES):
            own[place] += (known > np.quantile(novelty.scores(rows), 1 - rate)).tolist()
            levels, quantiles = conformal_quantiles(told)
            held_out[place] += (known > quantiles[levels.index(1 - rate)]).tolist()
    return {
        "quantiles of the training's own scores (before)": [float(np.mean(one)) for one in own],
        "quantiles of held-out scores": [float(np.mean(one)) for one in held_out],
    }


def drifts(kind: Kind) -> tuple[list[int], dict[str, list[float | None]]]:
    """Alarms in a day of known clips in random order, and minutes until one where only the left-out class sounds."""
    random, alarms = np.random.default_rng(SEED), []
    delays: dict[str, list[float | None]] = {}
    for label, training, scored in splits(kind):
        novelty = fitted(kind.rows[training])
        scale = NoveltyScale(*conformal_quantiles(held_out_scores(kind.rows[training], kind.folds[training])))  # fmt: skip
        scores, new = novelty.scores(kind.rows[scored]), kind.labels[scored] == label
        drift, n_alarms = Drift(scale, 0.03), 0
        for score in random.choice(scores[~new], DAY_S // CLIP_S):
            before = drift.drifting
            n_alarms += drift.push(score, new_s=CLIP_S, segment_s=CLIP_S) and not before
        alarms.append(n_alarms)
        drift.reset()
        strange = random.choice(scores[new], DAY_S // CLIP_S)
        at = next((k for k, score in enumerate(strange) if drift.push(score, new_s=CLIP_S, segment_s=CLIP_S)), None)  # fmt: skip
        delays.setdefault(label, []).append(None if at is None else at * CLIP_S / 60)
    return alarms, delays


# --- report ----------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.novelty", description=__doc__)
    data = os.environ.get("STREAMDEEP_TEST_DATA")
    parser.add_argument(
        "--data", type=Path, default=Path(data) / "esc10" if data else None,
        help="ESC-10 as its author published it [default: $STREAMDEEP_TEST_DATA/esc10]",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=OUT, help=f"[default: bench/{OUT.name}]")
    arguments = parser.parse_args()
    if arguments.data is None or not arguments.data.is_dir():
        parser.error("ESC-10 is needed: --data FOLDER")
    with tempfile.TemporaryDirectory() as folder:
        found = list(kinds(find_clips(arguments.data, None), Path(folder)))
    arguments.out.write_text(markdown(found))
    print(arguments.out)


def markdown(found: list[Kind]) -> str:
    labels = np.unique(found[0].labels).tolist()
    digest = load_model().digest.hex()[:16]
    lines = [
        "# Novelty: sound of a kind that was not in the training\n",
        f"`python -m bench.novelty`, on ESC-10 ({len(found[0].rows)} clips; K. J. Piczak, CC BY 3.0) and the model `{digest}`. "
        + " ".join((__doc__ or "").split("\n\n", 1)[1].split())
        + "\n",
        "## Area under the ROC curve, by the class that was left out\n",
        "Mean over five folds of 8 clips of that class against 72 of the others; 0.5 is chance, below it the class looks *more* "
        "usual than the known ones.\n",
    ]
    means = {}
    for one in found:
        rows = []
        for name, score in SCORES.items():
            began_s = time.perf_counter()
            by_class = areas(one, score)
            took_s = time.perf_counter() - began_s
            means[one.name, name] = float(np.mean(list(by_class.values())))
            rows.append([name, f"**{means[one.name, name]:.3f}**", *(f"{by_class[label]:.2f}" for label in labels)])  # fmt: skip
            print(f"{one.name}, {name}: {means[one.name, name]:.3f} ({took_s:.0f} s)", file=sys.stderr)  # fmt: skip
        lines += [f"### {one.name}\n", table(["score", "mean", *labels], rows)]
    lines.append("## False alarms, asked for and found\n")
    lines.append("Share of held-out clips of the nine known classes that are called novel.\n")
    rows = [
        [one.name, name, *(f"{100 * share:.1f} %" for share in shares)]
        for one in found
        for name, shares in false_alarms(one).items()
    ]
    lines.append(table(["embedding", "threshold from", *(f"asked for {rate:.0%}" for rate in RATES)], rows))  # fmt: skip
    alarms, delays = drifts(found[0])
    lines += [
        "## Drift alarms\n",
        f"The embedded encoder. In {len(alarms)} days of held-out clips of known classes in random order, each fold's day on its own, with "
        f"0.03 false alarms a day asked for: {sum(alarms)} alarms, on {sum(map(bool, alarms))} of the days. Then only clips of the left-out "
        "class, for up to a day: minutes until the alarm, fold by fold.\n",
        table(
            ["class", *(f"fold {fold}" for fold in range(1, 6))],
            [
                [label, *("none" if one is None else f"{one:.0f}" for one in delays[label])]
                for label in labels
            ],
        ),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
