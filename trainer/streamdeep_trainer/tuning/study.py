"""Which values are tried next, and what became of those that were: the only module that knows Optuna.

A tree-structured Parzen estimator proposes. It is seeded anew for every trial, by the study's seed and the
trial's number, so that a study that was interrupted goes on as if it had not been. Everything is kept in a
journal, one line of JSON per event; a trial that was running when its program died does not count, and its
number is given again. Not here: who may write (``lock``), what a trial does (``bench``).
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.tuning.space import Choices, Dimension, Space
from streamdeep_trainer.tuning.trials import Candidate, Measured, State, Trial

_STATES = {"done": TrialState.COMPLETE, "refused": TrialState.PRUNED, "failed": TrialState.FAIL}
_FEWEST_TO_WEIGH = 4


class Study:
    """A study in a file.

    Args:
        path: the journal; a new one is begun where there is none. Nobody else may write to it.
        about: what the study is about, as JSON can say it; an older journal must be about the same.
        space: what varies.
        maximise: whether more is better.
        seed: of the proposals.

    Raises:
        ConfigurationError: the journal is about something else, or is no journal.
    """

    def __init__(
        self, path: Path, *, about: Mapping[str, Any], space: Space, maximise: bool, seed: int
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._seed = seed
        self._distributions = {name: _distribution(entry) for name, entry in space.items()}
        self._choices = {name for name, entry in space.items() if isinstance(entry, Choices)}
        self._running: dict[int, optuna.Trial] = {}
        _mend(path)
        try:
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path))),
                study_name="tune",
                direction="maximize" if maximise else "minimize",
                load_if_exists=True,
            )
        except (ValueError, KeyError) as error:
            raise ConfigurationError(
                f"{path} cannot be read as a study; choose another --out"
            ) from error
        wanted = json.loads(json.dumps(dict(about)))
        known = self._study.user_attrs.get("about")
        if known is None:
            self._study.set_user_attr("about", wanted)
        elif known != wanted:
            other = [key for key in wanted if known.get(key) != wanted[key]]
            raise ConfigurationError(
                f"{path.parent} holds a tuning with another {' and another '.join(other) or 'purpose'}; "
                "choose another --out, or run it as it was begun"
            )
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._close(trial.number, trial.user_attrs.get("end"))  # its program died

    def ask(self) -> Candidate:
        """Values to try; each is answered by :meth:`tell`."""
        taken = {trial.number for trial in self.trials} | set(self._running)
        number = next(n for n in range(1, len(taken) + 2) if n not in taken)
        seed = np.random.SeedSequence((self._seed, number)).generate_state(1)
        self._study.sampler = optuna.samplers.TPESampler(seed=int(seed[0]))
        trial = self._study.ask(self._distributions)
        trial.set_user_attr("number", number)
        self._running[number] = trial
        return Candidate(number, self._values(trial.params))

    def tell(self, number: int, state: State, measured: Measured | None, reason: str = "") -> None:
        """What became of a trial: ``measured`` if it is done, else a reason."""
        trial = self._running.pop(number)
        trial.set_user_attr(
            "end",
            {
                "state": state,
                "reason": reason,
                "measured": asdict(measured) if measured is not None else None,
            },
        )
        self._close(trial.number, trial.user_attrs["end"])

    @property
    def trials(self) -> list[Trial]:
        """Those that are over and count, by number."""
        found = [
            self._trial(trial)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.is_finished() and "end" in trial.user_attrs
        ]
        return sorted(found, key=lambda trial: trial.number)

    def note(self, key: str, value: Any) -> None:
        """Keep something beside the trials; JSON."""
        self._study.set_user_attr(f"note {key}", value)

    def noted(self, key: str) -> Any:
        """What :meth:`note` kept, or None."""
        return self._study.user_attrs.get(f"note {key}")

    def importances(self) -> dict[str, float]:
        """How much of the measure's variance goes with each path (fANOVA), largest first; empty if unknown."""
        done = sum(trial.state == "done" for trial in self.trials)
        if done < _FEWEST_TO_WEIGH:
            return {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few trials, equal values: a hint is all it is
                return optuna.importance.get_param_importances(
                    self._study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
                )
        except (RuntimeError, ValueError, ImportError):
            return {}  # all trials measured the same, say

    def _close(self, number: int, end: dict[str, Any] | None) -> None:
        """End a trial of Optuna's as is written; without a word it failed, and does not count."""
        if end is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            value = end["measured"]["value"] if end["measured"] else None
            self._study.tell(number, value, state=_STATES[end["state"]])

    def _trial(self, trial: FrozenTrial) -> Trial:
        end = trial.user_attrs["end"]
        measured = Measured(**end["measured"]) if end["measured"] else None
        values = self._values(trial.params)
        return Trial(trial.user_attrs["number"], end["state"], values, measured, end["reason"])

    def _values(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: json.loads(parameters[name]) if name in self._choices else parameters[name]
            for name in self._distributions
        }


def _distribution(entry: Dimension) -> BaseDistribution:
    if isinstance(entry, Choices):
        # Optuna's categories are scalars; as JSON a list is one too
        return CategoricalDistribution(_texts(entry.choices))
    if isinstance(entry.low, int) and isinstance(entry.high, int):
        step = entry.step if isinstance(entry.step, int) else 1
        return IntDistribution(entry.low, entry.high, log=entry.log, step=step)
    return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)


def _texts(values: Sequence[Any]) -> list[str]:
    return [json.dumps(value) for value in values]


def _mend(path: Path) -> None:
    """Take away what a program that died left: half a line, and Optuna's own lock."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if path.is_file():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
