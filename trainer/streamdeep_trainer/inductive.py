"""The stricter protocol: an encoder per fold, trained without that fold's clips.

auDeep's autoencoder hears all clips, test folds included, without their labels (transductive). Here the
fold that is judged is unknown to the levels, the weights and the classifier alike.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamdeep import onnxfile
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.evaluate import Scores, answer, summarise
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.spectrograms import Spectrograms


def evaluate_inductively(
    recipe: Recipe, clips: Sequence[Clip], spectrograms: Spectrograms, *, run: Path
) -> Scores:
    """Train, export, embed and judge, once per fold.

    Args:
        recipe: of every training.
        clips: labelled, with their paths.
        spectrograms: of the same clips.
        run: each fold's run goes into ``fold-<number>`` below it.
    """
    folds = folds_of(
        spectrograms.clips, n_folds=recipe.evaluate.n_folds, seed=recipe.evaluate.seeds[0]
    )
    fold_of = dict(zip((clip.filename for clip in spectrograms.clips), folds.tolist(), strict=True))
    placed = [
        replace(clip, fold=fold_of[clip.filename]) for clip in clips if clip.filename in fold_of
    ]
    answers = []
    for fold in np.unique(folds):
        place = run / f"fold-{fold}"
        heard = spectrograms.only(np.flatnonzero(folds != fold))
        content = export_model(fit(recipe, heard, run=place), heard)
        onnxfile.write(place / "model.onnx", content)
        found = embed_clips(placed, place / "model.onnx")
        answers.append(
            answer(found.clips, found.vectors, found.clip_rows, recipe.evaluate, fold=int(fold))
        )
    return summarise(f"{recipe.model.name}, inductive", answers)
