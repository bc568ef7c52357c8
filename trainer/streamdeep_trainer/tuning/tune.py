"""The loop: propose, train, measure, until there are enough trials; then judge the best one and the recipe as it was.

Trials hear the clips that are not put aside. Both candidates of the end were trained on those already, so
that they are only asked. Every step leaves the folder whole: run it again, and it goes on. Not here: the
proposals (``study``), a trial's work (``bench``), what people read of it (``results``, ``report``).
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep_trainer.building import shape_of
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.lock import alone_in
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.tuning.aside import put_aside
from streamdeep_trainer.tuning.bench import Bench, attempt
from streamdeep_trainer.tuning.report import write_report
from streamdeep_trainer.tuning.results import Outcome, shown, write_best, write_trials
from streamdeep_trainer.tuning.space import Measure, Space, check_space, with_values
from streamdeep_trainer.tuning.study import Study
from streamdeep_trainer.tuning.trials import Candidate, Judged, Measured, Trial, best_of
from streamdeep_trainer.workers import Workers, workers

AS_IT_WAS = "recipe"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        recipe: as it is; its seed is also that of the proposals.
        data: folder of sound files.
        out: where everything goes.
        space: what varies.
        measure: by what trials are compared.
        n_trials: in total, earlier runs in the same folder included.
        timeout_s: no trial begins later than this after the start.
        jobs: trials at a time, each in a process of its own if there are several.
        final: fold or partition to put aside, see :func:`~streamdeep_trainer.tuning.aside.put_aside`.
        layout: how the data is laid out; found out if None.
    """

    recipe: Recipe
    data: Path
    out: Path
    space: Space
    measure: Measure = "accuracy"
    n_trials: int = 20
    timeout_s: float | None = None
    jobs: int = 1
    final: str | None = None
    layout: str | None = None


def tune(
    plan: Plan,
    *,
    tell: Callable[[str], None] = lambda _: None,
    tell_skipped: Callable[[Sequence[tuple[str, str]]], None] = lambda _: None,
) -> Outcome:
    """Do it, or go on with it.

    Args:
        plan: what to do.
        tell: told one line per trial.
        tell_skipped: told which clips cannot be used, by filename and reason.

    Raises:
        ConfigurationError: space, recipe or data do not allow it, or the folder holds another tuning.
        SourceError: there is no sound, or no trial could be measured.
        StreamdeepError: whatever stops the recipe as it is.
    """
    late = None if plan.timeout_s is None else time.monotonic() + plan.timeout_s
    check_space(plan.recipe, plan.space, plan.measure)
    shape_of(plan.recipe)
    if plan.recipe.views:
        raise ConfigurationError(
            "views are tuned one by one: take [[views]] out of the recipe, and put one view's keys into [frontend]"
        )
    clips = find_clips(plan.data, plan.layout)
    aside = put_aside(
        clips, plan.recipe.evaluate, final=plan.final, labelled=plan.measure == "accuracy"
    )
    bench = Bench(plan.data, plan.layout, aside, plan.measure, plan.out)
    listed = [
        (clip.filename, clip.label, clip.fold, clip.held_out)
        for clip in (*aside.rest, *aside.final)
    ]
    with alone_in(plan.out):
        study = Study(
            plan.out / "study.jsonl",
            about={
                "recipe": plan.recipe.model_dump(mode="json"),
                "space": {path: entry.model_dump() for path, entry in plan.space.items()},
                "measure": plan.measure,
                "final fold": aside.name,
                "data set": hashlib.sha256(json.dumps(listed).encode()).hexdigest(),
            },
            space=plan.space,
            maximise=plan.measure == "accuracy",
            seed=plan.recipe.fit.seed,
        )
        tell_skipped(bench.spectrograms(plan.recipe).skipped)
        before = _as_it_was(plan, study, bench, tell)
        with workers(partial(attempt, bench), plan.jobs) as pool:
            _try(plan, study, bench, pool, late, tell)
        return _end(plan, study, bench, before)


def _as_it_was(plan: Plan, study: Study, bench: Bench, tell: Callable[[str], None]) -> Measured:
    """The recipe as it was, measured like a trial; first, so that what stops it stops the tuning."""
    place = plan.out / AS_IT_WAS
    known = study.noted(AS_IT_WAS)
    if known is not None and (place / CHECKPOINT).is_file():
        return Measured(**known)
    measured = bench.work(plan.recipe, place)
    study.note(AS_IT_WAS, asdict(measured))
    tell(f"recipe as it is: {shown(measured, plan.measure)}")
    return measured


def _try(
    plan: Plan,
    study: Study,
    bench: Bench,
    pool: Workers[[Recipe, Path], Measured | str],
    late: float | None,
    tell: Callable[[str], None],
) -> None:
    pending: dict[Future[Measured | str], Candidate] = {}
    _keep_best(plan, study, ())
    while True:
        while (
            len(pending) < plan.jobs
            and len(study.trials) + len(pending) < plan.n_trials
            and (late is None or time.monotonic() < late)
        ):
            candidate = study.ask()
            recipe = _possible(plan, study, bench, candidate, tell)
            if recipe is not None:
                place = _place(plan, candidate.number)
                pending[pool.submit(recipe, place)] = candidate
        if not pending:
            return
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            number, found = pending.pop(future).number, future.result()
            if isinstance(found, str):
                study.tell(number, "failed", None, found)
            else:
                study.tell(number, "done", found)
            _keep_best(plan, study, [other.number for other in pending.values()])
            _tell_of(study, number, plan, tell)


def _possible(
    plan: Plan, study: Study, bench: Bench, candidate: Candidate, tell: Callable[[str], None]
) -> Recipe | None:
    """The candidate's recipe, with its spectrograms made; None, and told why, if it cannot be."""
    try:
        recipe = with_values(plan.recipe, candidate.values)
        shape_of(recipe)
    except ConfigurationError as error:
        study.tell(candidate.number, "refused", None, str(error))
    else:
        try:
            bench.spectrograms(recipe)  # here, so that no two processes write the same file
        except StreamdeepError as error:
            study.tell(candidate.number, "failed", None, str(error))
        else:
            return recipe
    write_trials(plan.out, study.trials, plan.space)
    _tell_of(study, candidate.number, plan, tell)
    return None


def _keep_best(plan: Plan, study: Study, running: Collection[int]) -> None:
    """Write the table, and clear away all runs but the best trial's and those that are being made."""
    trials = study.trials
    write_trials(plan.out, trials, plan.space)
    best = best_of(trials, maximise=plan.measure == "accuracy")
    kept = {_place(plan, number) for number in (*running, *([best.number] if best else []))}
    for place in set((plan.out / "trials").glob("*")) - kept:
        shutil.rmtree(place, ignore_errors=True)


def _end(plan: Plan, study: Study, bench: Bench, before: Measured) -> Outcome:
    trials = study.trials
    best = best_of(trials, maximise=plan.measure == "accuracy")
    if best is None:
        reasons = [trial.reason for trial in trials]
        raise SourceError(
            f"none of the {len(trials)} trials could be measured; the first: {reasons[0]}"
            if reasons
            else "there was no time for a single trial; give more with --timeout-s, or run it again"
        )
    recipe = with_values(plan.recipe, best.values)
    place = _place(plan, best.number)
    if not (place / CHECKPOINT).is_file():  # somebody cleared it away
        bench.work(recipe, place)
    outcome = Outcome(
        recipe=recipe,
        place=place,
        measure=plan.measure,
        aside=bench.aside,
        trials=tuple(trials),
        best=best,
        before=before,
        judged=_judge(study, bench, str(best.number), recipe, place),
        judged_before=_judge(study, bench, AS_IT_WAS, plan.recipe, plan.out / AS_IT_WAS),
        n_judged=len(study.noted("judged")) - 1,  # the recipe as it was is no choice
        importances=study.importances(),
    )
    write_best(plan.out, outcome)
    write_report(plan.out, outcome)
    return outcome


def _judge(study: Study, bench: Bench, key: str, recipe: Recipe, place: Path) -> Judged:
    """Once per candidate; kept, so that a second run of the same command does not ask again."""
    known = study.noted("judged") or {}
    if key not in known:
        known = known | {key: asdict(bench.judge(recipe, place))}
        study.note("judged", known)
    found = known[key]
    interval = tuple(found["interval"]) if found["interval"] else None
    return Judged(**(found | {"interval": interval}))


def _place(plan: Plan, number: int) -> Path:
    return plan.out / "trials" / str(number)


def _tell_of(study: Study, number: int, plan: Plan, tell: Callable[[str], None]) -> None:
    trials = study.trials
    trial: Trial = next(trial for trial in trials if trial.number == number)
    best = best_of(trials, maximise=plan.measure == "accuracy")
    said = trial.reason if trial.measured is None else shown(trial.measured, plan.measure)
    so_far = f"; best so far: trial {best.number}" if best is not None else ""
    tell(f"trial {number} of {plan.n_trials}: {trial.state}, {said}{so_far}")
