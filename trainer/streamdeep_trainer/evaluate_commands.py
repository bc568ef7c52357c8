"""The commands that judge and use features: ``evaluate`` and ``predict``.

This module reads arguments, calls the steps and shows what they return. Not here: what a run or a table is
judged by (``evaluate``, ``inductive``), classifiers (``classify``, ``mlp``).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.baselines.quoted import Quoted
from streamdeep_trainer.config import ClassifierName, EvaluateRecipe
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.writing import check_writable

if TYPE_CHECKING:
    from streamdeep_trainer.evaluation.judging import Partitions

Classifier = Annotated[
    ClassifierName | None,
    typer.Option(
        "--classifier",
        help="Linear, also on fewer features, nearest neighbours, auDeep's MLP with ordinary logits, or exactly as auDeep has it. "
        "Default: the first of the run's recipe, else linear-svm.",
    ),
]
Complexity = Annotated[
    float | None,
    typer.Option(
        "--complexity", help="C of the linear ones. Default: chosen within each training part."
    ),
]
MlpOptions = Annotated[
    str | None,
    typer.Option(
        "--mlp",
        help="Changes to the MLP: layers, units, keep, learning_rate, epochs; as keep=0.4,epochs=200.",
    ),
]
Upsample = Annotated[
    bool | None,
    typer.Option(
        "--upsample/--no-upsample",
        help="Repeat files of rare classes, in the training part alone. Default: the run's recipe, else no.",
    ),
]
MajorityVote = Annotated[
    bool | None,
    typer.Option(
        "--majority-vote/--no-majority-vote",
        help="A file's chunks vote. Default: the run's recipe, else no: the mean over them decides.",
    ),
]
TrainPartitions = Annotated[
    str | None, typer.Option(help="Train on these, as train,devel. Default: cross-validate.")
]
EvalPartitions = Annotated[str | None, typer.Option(help="Judge these, as test.")]
Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to a program."""
    app.command()(evaluate)
    app.command()(predict)


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder of a run that `fit` made, or a table, embeddings or auDeep's .nc.",
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="With a run: folder of sound files, one folder per class, or ESC's old layout.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="How --data is laid out, or file.py:function."),
    ] = None,
    classifier: Classifier = None,
    complexity: Complexity = None,
    mlp: MlpOptions = None,
    repeat: Annotated[
        int | None, typer.Option(min=1, help="Judge so many times, with seeds one after the other.")
    ] = None,
    upsample: Upsample = None,
    majority_vote: MajorityVote = None,
    train_partitions: TrainPartitions = None,
    eval_partitions: EvalPartitions = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="How many to make where the data has none.")
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option("--confusion", help="Draw the confusion matrix of the first row, .png."),
    ] = None,
    inductive: Annotated[
        bool,
        typer.Option(
            "--inductive", help="With a run: also train once per fold, without that fold's clips."
        ),
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of classifiers, made folds and --inductive's trainings."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="With a run: processes that embed.")] = 1,
    as_json: Json = False,
) -> None:
    """Judge features per file; a run beside its untrained twin and the pooled log-Mel frames.

    Ends with 66 if some clips could not be used.

    Example: streamdeep-train evaluate runs/quick --data ESC-10 --json
    """
    from rich.console import Console

    from streamdeep_trainer.evaluation.confusion import draw_confusion, refuse_other_suffix
    from streamdeep_trainer.evaluation.report import as_json as report_json
    from streamdeep_trainer.evaluation.report import as_table, classes_table
    from streamdeep_trainer.evaluation.subjects import judge_run, judge_table
    from streamdeep_trainer.views import recipe_of

    if confusion is not None:
        refuse_other_suffix(confusion)
        check_writable(confusion)
    if path.is_file() and (data is not None or inductive):
        raise ConfigurationError(f"{path} is no folder of a run; leave out --data and --inductive")
    if not path.is_file() and path.suffix == ".nc":
        raise SourceError(f"there is no file {path}")
    if not path.is_file() and data is None:
        raise ConfigurationError(f"{path} is judged by sound files; say where they are with --data")
    said = EvaluateRecipe() if data is None else recipe_of(path).evaluate
    choice = Choice(
        classifier or said.classifiers[0],
        complexity,
        mlp,
        said.upsample if upsample is None else upsample,
        said.majority_vote if majority_vote is None else majority_vote,
    )
    choice.method(said.c_grid)  # a wrong setting is said before the work
    partitions = _partitions(train_partitions, eval_partitions)

    def adapt(recipe: EvaluateRecipe) -> EvaluateRecipe:
        first = recipe.seeds[0] if seed is None else seed
        seeds = tuple(range(first, first + (repeat or 1)))
        given = repeat is not None or seed is not None
        changes = ({"seeds": seeds} if given else {}) | ({"n_folds": folds} if folds else {})
        return recipe.model_copy(update=changes)

    skipped = Skipped()
    quoted: tuple[Quoted, ...] = ()
    if data is None:
        recipe = adapt(EvaluateRecipe())
        scores = [judge_table(path, recipe, choice=choice, partitions=partitions)]
    else:
        [scores], quoted = judge_run(
            path,
            data,
            choices=[choice],
            adapt=adapt,
            partitions=partitions,
            seed=seed,
            layout=layout,
            inductive=inductive,
            workers=workers,
            tell_skipped=skipped,
        )
    if confusion is not None:
        draw_confusion(confusion, scores[0])
    protocol = "cross-validated" if partitions is None else partitions.description
    if as_json:
        about: dict[str, Any] = {"classifier": choice.classifier, "protocol": protocol}
        about |= {"skipped": skipped.clips}
        about |= {} if confusion is None else {"picture": str(confusion)}
        typer.echo(json.dumps(report_json(scores, quoted) | about))
    else:
        console = Console()
        console.print(as_table(scores, quoted, protocol=f"{choice.classifier}, {protocol}"))
        console.print(classes_table(scores[0]))
        if confusion is not None:
            typer.echo(f"confusion matrix: {confusion}")
    skipped.end()


def predict(
    train_table: Annotated[
        Path, typer.Option(help="Labelled table, embeddings or auDeep's .nc to learn from.")
    ],
    eval_table: Annotated[Path, typer.Option(help="The same, to be labelled.")],
    out: Annotated[Path, typer.Option(help="Where the labels go: filename, tab, label.")],
    classifier: Classifier = None,
    complexity: Complexity = None,
    mlp: MlpOptions = None,
    upsample: Upsample = None,
    majority_vote: MajorityVote = None,
    train_partitions: Annotated[
        str | None, typer.Option(help="Learn from these, as train,devel. Default: all.")
    ] = None,
    eval_partitions: Annotated[
        str | None, typer.Option(help="Label these, as test. Default: all.")
    ] = None,
    header: Annotated[
        bool, typer.Option("--header", help="Begin with a line of column names.")
    ] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="One more column per class.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the classifier.")] = 0,
    as_json: Json = False,
) -> None:
    """Label the files of one table with a classifier that learns from another, one label per file.

    Example: streamdeep-train predict --train-table train.nc --eval-table new.nc --out labels.tsv
    """
    from streamdeep_trainer.evaluation.examples import (
        check_same_features,
        clips_of_table,
        only_partitions,
    )
    from streamdeep_trainer.evaluation.predict import predict as answer
    from streamdeep_trainer.evaluation.predict import write_predictions
    from streamdeep_trainer.tables.storage import read_table

    check_writable(out)
    choice = Choice(
        classifier or "linear-svm", complexity, mlp, bool(upsample), bool(majority_vote)
    )
    method = choice.method(EvaluateRecipe().c_grid)
    tables = read_table(train_table), read_table(eval_table)
    check_same_features(*tables)
    teaching = only_partitions(clips_of_table(tables[0]), _names(train_partitions), labelled=True)
    asked = only_partitions(clips_of_table(tables[1]), _names(eval_partitions), labelled=False)
    found = answer(teaching, asked, method=method, seed=seed, probabilities=probabilities)
    write_predictions(out, found, header=header)
    both = {clip.filename for clip in teaching[0]} & {clip.filename for clip in asked[0]}
    if both:
        typer.echo(f"{len(both)} files are learnt and labelled; the first: {min(both)}", err=True)
    counts = {name: found.labels.count(name) for name in found.names}
    result = {
        "n_files": len(found.filenames),
        "labels": counts,
        "classifier": choice.classifier,
        "c": found.c or None,
        "file": str(out),
    }
    if as_json:
        typer.echo(json.dumps(result))
        return
    for name, count in counts.items():
        typer.echo(f"{name}: {count}")
    typer.echo(f"{len(found.filenames)} files labelled in {out}")


def _partitions(training: str | None, tested: str | None) -> "Partitions | None":
    from streamdeep_trainer.evaluation.judging import Partitions

    if training is None and tested is None:
        return None
    return Partitions(_names(training), _names(tested))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
