"""The stricter protocol: an encoder per split, trained without the clips that are judged.

auDeep's autoencoder hears all clips, test folds included, without their labels (transductive). Here what is
judged is unknown to the levels, the weights and the classifier alike.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamdeep import onnxfile
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import held_out_in
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.evaluation.judging import (
    Answer,
    Method,
    Partitions,
    answer,
    rows_of,
    splits_of,
)
from streamdeep_trainer.evaluation.scoring import Scores, summarise
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.spectrograms import Spectrograms


def evaluate_inductively(
    recipe: Recipe,
    clips: Sequence[Clip],
    spectrograms: Spectrograms,
    *,
    run: Path,
    method: Method | None = None,
    partitions: Partitions | None = None,
    workers: int = 1,
) -> Scores:
    """Train, export, embed and judge, once per split; repeats share the encoders.

    Args:
        recipe: of every training; folds are made by the first of its evaluation's seeds.
        clips: labelled, with their paths.
        spectrograms: of the same clips.
        run: each split's run goes into ``fold-<number>``, or the partition's name, below it.
        method: how to classify; by default a linear SVM with the recipe's grid.
        partitions: judge by these instead of by folds.
        workers: processes that embed.

    Raises:
        ConfigurationError: labels, folds or partitions are missing.
    """
    wanted = recipe.evaluate
    method = method or Method(grid=tuple(sorted(wanted.c_grid)))
    known = {clip.filename: clip for clip in clips}
    placed = [known[clip.filename] for clip in spectrograms.clips]
    if partitions is None:
        held_out = held_out_in(placed, n_folds=wanted.n_folds, seed=wanted.seeds[0])
        single = bool((held_out.sum(axis=1) == 1).all())
        folds = [np.flatnonzero(row) + 1 for row in held_out]
        placed = [
            replace(clip, fold=int(of_clip[0]), held_out=None)
            if single
            else replace(clip, fold=None, held_out=tuple(map(int, of_clip)))
            for clip, of_clip in zip(placed, folds, strict=True)
        ]
    answers: list[Answer] = []
    names: tuple[str, ...] = ()
    for split in splits_of(placed, n_folds=wanted.n_folds, seed=0, partitions=partitions):
        place = run / split.name
        shutil.rmtree(place, ignore_errors=True)  # what an earlier judgement has left
        heard = spectrograms.only(np.flatnonzero(split.training))
        onnxfile.write(place / "model.onnx", export_model(fit(recipe, heard, run=place), heard))
        found = embed_clips(placed, place / "model.onnx", workers=workers)
        kept = {clip.filename for clip in found.clips}
        readable = np.array([clip.filename in kept for clip in placed], dtype=np.bool_)
        asked = replace(split, training=split.training[readable], tested=split.tested[readable])
        rows, names = rows_of(found.clips, found.vectors, found.clip_rows)
        answers += [answer(rows, asked, method, seed=seed) for seed in wanted.seeds]
    return summarise(f"{recipe.model.name}, inductive", answers, names)
