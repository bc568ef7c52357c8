"""What ``evaluate`` judges: a run beside its baselines, or a table alone.

Here is what belongs side by side; how one kind of features is judged, ``evaluate`` says.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from streamdeep_trainer.baselines.quoted import ESC10, Quoted
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.evaluation.evaluate import evaluate
from streamdeep_trainer.evaluation.judging import Partitions
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.evaluation.scoring import Scores
from streamdeep_trainer.run_folder import CHECKPOINT, MODEL, SPECTROGRAMS, UNTRAINED

"""Names of files in a run's folder."""

Skipped = Sequence[tuple[str, str]]


def judge_table(
    path: Path, recipe: EvaluateRecipe, *, choice: Choice, partitions: Partitions | None = None
) -> Scores:
    """Judge a table by its folds or partitions; without folds, stratified ones are made.

    Raises:
        SourceError: it cannot be read.
        ConfigurationError: it is no table, or labels or partitions are missing.
    """
    from streamdeep_trainer.evaluation.examples import clips_of_table, refuse_copies_without_folds
    from streamdeep_trainer.tables.storage import read_table

    table = read_table(path)
    if partitions is None:
        refuse_copies_without_folds(table)
    method = choice.method(recipe.c_grid)
    return evaluate(path.stem, *clips_of_table(table), recipe, method=method, partitions=partitions)


def judge_run(
    run: Path,
    data: Path,
    *,
    choice: Choice,
    adapt: Callable[[EvaluateRecipe], EvaluateRecipe],
    partitions: Partitions | None = None,
    seed: int | None = None,
    layout: str | None = None,
    inductive: bool = False,
    workers: int = 1,
    tell_skipped: Callable[[Skipped], None] = lambda _: None,
) -> tuple[list[Scores], tuple[Quoted, ...]]:
    """Judge a run's encoder, its untrained twin and the pooled log-Mel frames; other systems' figures beside them.

    Args:
        run: folder that ``fit`` made.
        data: folder of sound files.
        choice: the classifier.
        adapt: changes the evaluation of the run's recipe.
        partitions: judge by these instead of by folds.
        seed: instead of the recipe's, for the trainings of ``inductive``.
        layout: how the data is laid out; found out if not given.
        inductive: also train once per split without what is judged; comes second.
        workers: processes that embed.
        tell_skipped: told the clips that cannot be read, model by model.

    Raises:
        SourceError: there is no run or no sound.
        ConfigurationError: labels, folds or partitions are missing.
    """
    from streamdeep.encoder.model import load_model
    from streamdeep_trainer.baselines.pooled_logmel import pooled_logmel
    from streamdeep_trainer.checkpoint import load_checkpoint
    from streamdeep_trainer.datasets.layouts import find_clips
    from streamdeep_trainer.embed import embed_clips
    from streamdeep_trainer.evaluation.inductive import evaluate_inductively
    from streamdeep_trainer.evaluation.judging import splits_of
    from streamdeep_trainer.steps import kept_spectrograms

    recipe = load_checkpoint(run / CHECKPOINT).recipe.with_seed(seed)
    wanted = adapt(recipe.evaluate)
    recipe = recipe.model_copy(update={"evaluate": wanted})
    method = choice.method(wanted.c_grid)
    clips, scores = find_clips(data, layout), []
    # what is missing is said before the work
    splits_of(clips, n_folds=wanted.n_folds, seed=wanted.seeds[0], partitions=partitions)
    for name, file in ((recipe.model.name, MODEL), ("untrained twin", UNTRAINED)):
        found = embed_clips(clips, run / file, workers=workers)
        tell_skipped(found.skipped)
        features = found.clips, found.vectors, found.clip_rows
        scores.append(evaluate(name, *features, wanted, method=method, partitions=partitions))
    contract = load_model(run / MODEL).contract
    pooled = pooled_logmel(clips, contract.frontend, contract.segment)
    scores.append(evaluate("pooled log-Mel", *pooled, wanted, method=method, partitions=partitions))
    if inductive:
        without = evaluate_inductively(
            recipe,
            clips,
            kept_spectrograms(recipe, data, run / SPECTROGRAMS, layout=layout),
            run=run / "inductive",
            method=method,
            partitions=partitions,
            workers=workers,
        )
        scores.insert(1, without)
    return scores, ESC10 if wanted.quoted == "esc10" else ()
