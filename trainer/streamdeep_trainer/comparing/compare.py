"""The loop: every cell that is not finished yet, then the table. Run it again, and it goes on.

Not here: a cell's work (``answers``), what people read of it (``report``, ``pictures``).
"""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.comparing.cells import Cell, Store, cell_of
from streamdeep_trainer.comparing.pictures import draw
from streamdeep_trainer.comparing.report import Outcome, write_report
from streamdeep_trainer.comparing.rows import Row, rows_of
from streamdeep_trainer.comparing.spec import Spec, load_spec
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.standings import standings_of
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.evaluation.judging import check_labels, splits_of
from streamdeep_trainer.lock import alone_in
from streamdeep_trainer.progress import progress
from streamdeep_trainer.workers import workers

TellSkipped = Callable[[Sequence[tuple[str, str]]], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        spec: file of the comparison.
        data: folder of sound files.
        out: where everything goes.
        jobs: cells at a time, each in a process of its own if there are several.
        layout: how the data is laid out; found out if None.
    """

    spec: Path
    data: Path
    out: Path
    jobs: int = 1
    layout: str | None = None


def compare(
    plan: Plan,
    *,
    tell: Callable[[str], None] = lambda _: None,
    tell_skipped: TellSkipped = lambda _: None,
) -> Outcome:
    """Do it, or go on with it.

    Args:
        plan: what to do.
        tell: told one line per cell.
        tell_skipped: told which clips cannot be used, by filename and reason.

    Returns:
        What came of it, cells that failed included.

    Raises:
        ConfigurationError: file, recipes or data do not allow it, or another program is at work in the folder.
        SourceError: there is no sound.
    """
    spec = load_spec(plan.spec)
    spectra = Spectra(plan.data, plan.layout, plan.out / "spectrograms")
    rows = rows_of(spec, plan.spec, spectra)
    clips = find_clips(plan.data, plan.layout)
    _refuse_unfit(clips, spec)
    store = Store(plan.out)
    with alone_in(plan.out):
        shutil.rmtree(plan.out / "running", ignore_errors=True)  # of cells that died
        usable = _usable(clips, rows, spectra, tell_skipped)
        _refuse_unfit(usable, spec)  # of some classes too little may be left
        cells = _cells(rows, usable, spec)
        failed = _work(cells, store, plan.jobs, tell)
        shutil.rmtree(plan.out / "running", ignore_errors=True)
        finished = [(cell, *store.read(cell)) for cell in cells if store.has(cell)]
        outcome = Outcome(
            spec=spec,
            n_clips=len(usable),
            classes=check_labels(usable),
            standings=tuple(standings_of(rows, finished)),
            cells={cell.title: cell.digest for cell in cells},
            failed=failed,
        )
        if outcome.standings:
            draw(plan.out, outcome.standings)
        write_report(plan.out, outcome)
    return outcome


def _refuse_unfit(clips: Sequence[Clip], spec: Spec) -> None:
    check_labels(clips)
    for seed in spec.seeds:
        folds = folds_of(clips, n_folds=spec.n_folds, seed=seed)
        if len(np.unique(folds)) < 2:
            raise ConfigurationError("all clips are in one fold; two are needed")
    splits_of(clips, n_folds=spec.n_folds, seed=spec.seeds[0])


def _usable(
    clips: Sequence[Clip], rows: Sequence[Row], spectra: Spectra, tell_skipped: TellSkipped
) -> list[Clip]:
    """Those that every front-end can read; their spectrograms are made here, before processes would do it twice."""
    lost: set[str] = set()
    seen = set()
    recipes = [row.recipe for row in rows if row.recipe is not None]
    for recipe in [single for one in recipes for single in (one, *one.singles.values())]:
        if recipe.frontend.stored() in seen:
            continue
        seen.add(recipe.frontend.stored())
        skipped = spectra.of(recipe).skipped
        tell_skipped(skipped)
        lost |= {name for name, _ in skipped}
    return [clip for clip in clips if clip.filename not in lost]


def _cells(rows: Sequence[Row], clips: Sequence[Clip], spec: Spec) -> list[Cell]:
    """Seed by seed, so that an interrupted comparison has whole tables of fewer seeds."""
    found = []
    for seed in spec.seeds:
        folds = folds_of(clips, n_folds=spec.n_folds, seed=seed)
        placed = [replace(clip, fold=int(fold)) for clip, fold in zip(clips, folds, strict=True)]
        found += [cell_of(row, seed, placed, spec) for row in rows]
    titles = Counter(cell.digest for cell in found)
    for cell in found:
        if titles[cell.digest] > 1:
            raise ConfigurationError(
                f"two rows are the same but for their names; the first: {cell.row.name}; take one out"
            )
    return found


def _work(
    cells: Sequence[Cell], store: Store, jobs: int, tell: Callable[[str], None]
) -> dict[str, str]:
    """Work on those that are not finished; title and reason of those that fail."""
    failed: dict[str, str] = {}
    waiting = [cell for cell in cells if not store.has(cell)]
    n_before = len(cells) - len(waiting)
    pending: dict[Future[str | None], Cell] = {}
    with progress(len(waiting), "cells") as step, workers(store.work, jobs) as pool:
        for number in range(1, len(waiting) + 1):
            while waiting and len(pending) < jobs:
                cell = waiting.pop(0)
                pending[pool.submit(cell)] = cell
            future = wait(pending, return_when=FIRST_COMPLETED).done.pop()
            cell, reason = pending.pop(future), future.result()
            if reason is not None:
                failed[cell.title] = reason
            said = _said(cell, store) if reason is None else f"failed: {reason}"
            tell(f"{n_before + number} of {len(cells)}: {cell.title}: {said}")
            step(cell.row.name)
    return failed


def _said(cell: Cell, store: Store) -> str:
    answered, _ = store.read(cell)
    words = []
    for name, answers in answered.learnt.items():
        right = np.mean(np.array(answers.classes) == np.array(answered.truths))
        word = f"{name} {100 * right:.1f} %"
        if answered.untrained is not None:
            twin = np.array(answered.untrained[name].classes) == np.array(answered.truths)
            word += f" (untrained {100 * np.mean(twin):.1f} %)"
        words.append(word)
    return ", ".join(words)
