"""From finished cells to the lines of the table: scores, intervals, the lead over the untrained twin, the choice.

Not here: how a line looks (``report``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.comparing.answers import OWN, Answered
from streamdeep_trainer.comparing.cells import Cell
from streamdeep_trainer.comparing.choice import Candidate, Pick, choose
from streamdeep_trainer.comparing.paired import difference_interval, mcnemar, seed_interval
from streamdeep_trainer.comparing.rows import Row
from streamdeep_trainer.comparing.spec import Protocol
from streamdeep_trainer.comparing.system import Cost
from streamdeep_trainer.evaluation.classify import UNREGULARISED
from streamdeep_trainer.evaluation.judging import Answer
from streamdeep_trainer.evaluation.scoring import Scores, summarise

CHOSEN = "chosen by inner folds"
ANY = "any classifier"

Finished = tuple[Cell, Answered, Cost]
Said = Mapping[int, NDArray[np.int64]]
"""By seed, the class said of each clip."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Over the untrained twin.

    Attributes:
        untrained: the twin's scores.
        difference: of the accuracies, in shares.
        interval: of the difference, see :func:`~streamdeep_trainer.comparing.paired.difference_interval`.
        p_values: one per seed, see :func:`~streamdeep_trainer.comparing.paired.mcnemar`.
    """

    untrained: Scores
    difference: float
    interval: tuple[float, float]
    p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of the table.

    Attributes:
        name: of the row, or that it is the choice.
        protocol: what could be heard.
        classifier: who judges.
        seeds: that are finished.
        scores: of all answers; means over seeds, each of which answers every clip once. The interval is over clips.
        seed_accuracies: one per seed.
        seed_interval: 95 % interval of their mean; None of one seed.
        lead: over the untrained twin; None if there is none.
        cost: of using it, a step's time being the median over seeds; None of a choice.
        picks: of a choice, who was taken.
    """

    name: str
    protocol: Protocol
    classifier: str
    seeds: tuple[int, ...]
    scores: Scores
    seed_accuracies: tuple[float, ...]
    seed_interval: tuple[float, float] | None
    lead: Lead | None
    cost: Cost | None
    picks: tuple[Pick, ...] = ()


def standings_of(rows: Sequence[Row], finished: Sequence[Finished]) -> list[Standing]:
    """All lines: protocol by protocol, classifier by classifier, rows in their order and then the choice.

    Args:
        rows: of the comparison.
        finished: cells, of any of them.
    """
    found: list[Standing] = []
    for protocol in dict.fromkeys(row.protocol for row in rows):
        cells = [one for one in finished if one[0].row.protocol == protocol]
        names = list(dict.fromkeys(name for _, answered, _ in cells for name in answered.learnt))
        names = [name for name in names if name != OWN] + [name for name in names if name == OWN]
        for classifier in names:
            for row in rows:
                mine = [one for one in cells if one[0].row is row and classifier in one[1].learnt]
                if mine:
                    found.append(_of_row(row, classifier, mine))
            found += _of_choice(protocol, classifier, [classifier], cells)
        if len(names) > 1:
            found += _of_choice(protocol, ANY, names, cells)
    return found


def _of_row(row: Row, classifier: str, cells: Sequence[Finished]) -> Standing:
    learnt = {cell.seed: _array(one.learnt[classifier].classes) for cell, one, _ in cells}
    untrained = {
        cell.seed: _array(one.untrained[classifier].classes)
        for cell, one, _ in cells
        if one.untrained is not None
    }
    steps = [cost.step_us for _, _, cost in cells if cost.step_us is not None]
    cost = cells[0][2]
    median = float(np.median(steps)) if steps else None
    cost = Cost(cost.parameters, cost.macs_per_s, median, all(one.streamable for *_, one in cells))
    return _standing(row.name, row.protocol, classifier, cells[0][1], learnt, untrained, cost)


def _of_choice(
    protocol: Protocol, called: str, classifiers: Sequence[str], cells: Sequence[Finished]
) -> Iterator[Standing]:
    """Nothing if there is nothing to choose from. The twin of the choice is the same choice among the twins."""
    learnt: dict[int, NDArray[np.int64]] = {}
    untrained: dict[int, NDArray[np.int64]] = {}
    picks: list[Pick] = []
    first: Answered | None = None
    for seed in dict.fromkeys(cell.seed for cell, *_ in cells):
        mine = [one for one in cells if one[0].seed == seed and one[0].row.choosable]
        candidates = [
            Candidate(cell.row.name, name, answered.learnt[name])
            for cell, answered, _ in mine
            for name in classifiers
            if name in answered.learnt
        ]
        twins = [
            Candidate(cell.row.name, name, answered.untrained[name])
            for cell, answered, _ in mine
            for name in classifiers
            if answered.untrained is not None and name in answered.untrained
        ]
        if len(candidates) < 2:
            continue
        first = first or mine[0][1]
        folds = _array(mine[0][1].folds)
        taken = choose(candidates, folds, seed=seed)
        if taken is not None:
            learnt[seed] = taken[0]
            picks += taken[1]
        taken = choose(twins, folds, seed=seed)
        if taken is not None:
            untrained[seed] = taken[0]
    if first is not None and learnt:
        yield _standing(CHOSEN, protocol, called, first, learnt, untrained, None, tuple(picks))


def _standing(
    name: str,
    protocol: Protocol,
    classifier: str,
    about: Answered,
    learnt: Said,
    untrained: Said,
    cost: Cost | None,
    picks: tuple[Pick, ...] = (),
) -> Standing:
    truths = _array(about.truths)
    accuracies = tuple(float((said == truths).mean()) for said in learnt.values())
    return Standing(
        name=name,
        protocol=protocol,
        classifier=classifier,
        seeds=tuple(learnt),
        scores=_scores(name, about, learnt),
        seed_accuracies=accuracies,
        seed_interval=seed_interval(accuracies),
        lead=_lead(about, learnt, untrained),
        cost=cost,
        picks=picks,
    )


def _lead(about: Answered, learnt: Said, untrained: Said) -> Lead | None:
    seeds = [seed for seed in learnt if seed in untrained]
    if not seeds:
        return None
    truths = _array(about.truths)
    first = np.stack([learnt[seed] == truths for seed in seeds])
    second = np.stack([untrained[seed] == truths for seed in seeds])
    return Lead(
        untrained=_scores("untrained", about, {seed: untrained[seed] for seed in seeds}),
        difference=float(first.mean() - second.mean()),
        interval=difference_interval(first, second),
        p_values=tuple(mcnemar(*pair) for pair in zip(first, second, strict=True)),
    )


def _scores(name: str, about: Answered, said: Said) -> Scores:
    truths = _array(about.truths)
    every = np.arange(len(truths))
    answers = [
        Answer(every, truths, classes, UNREGULARISED, seed) for seed, classes in said.items()
    ]
    return summarise(name, answers, about.names)


def _array(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
