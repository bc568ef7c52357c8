"""Cells: a row with a seed, known by a digest of all that decides its result, and kept in files that are whole.

Two files per cell below the comparison's folder: answers, the same bytes whenever and wherever the cell is
worked on one machine; and costs, of which times are measured and differ. A cell whose answers are there is
finished. Not here: the work (``answers``).
"""

import hashlib
import json
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep_trainer.comparing.answers import Answered, answer_cell
from streamdeep_trainer.comparing.rows import Row
from streamdeep_trainer.comparing.spec import Spec
from streamdeep_trainer.comparing.system import Cost, FromFiles
from streamdeep_trainer.config import ClassifierName
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.judging import Method
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.writing import write_text

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A row and a seed.

    Attributes:
        row: the system, its variant and its protocol.
        seed: of everything that is drawn.
        clips: labelled, each in one fold of this seed.
        classifiers: who judges.
        c_grid: see :class:`~streamdeep_trainer.comparing.spec.Spec`.
        digest: 16 hexadecimal digits of what decides the result.
    """

    row: Row
    seed: int
    clips: tuple[Clip, ...]
    classifiers: tuple[ClassifierName, ...]
    c_grid: tuple[float, ...]
    digest: str

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.row.name}, {self.row.protocol}, seed {self.seed}"


def cell_of(row: Row, seed: int, clips: Sequence[Clip], spec: Spec) -> Cell:
    """A cell with its digest.

    What decides: kind, recipe, options and the files of what has learnt elsewhere, protocol, seed, classifiers and their grid; every clip's name, size,
    label and fold; and the versions of what computes. Names of systems, and how the work is divided, do not.
    """
    recipe = None
    if row.recipe is not None:
        recipe = row.recipe.model_dump(
            mode="json",
            include={"frontend", "segment", "model", "objective", "augment", "fit"},
            exclude={"model": {"name"}, "fit": {"seed", "threads", "tensorboard"}},
        )
    classifiers = () if row.decides else spec.classifiers
    decisive = {
        "format": FORMAT,
        "kind": row.kind,
        "recipe": recipe,
        "options": dict(row.options),
        "protocol": row.protocol,
        "seed": seed,
        "inner": row.choosable,
        "classifiers": classifiers,
        "c_grid": sorted(spec.c_grid),
        "clips": [
            (clip.filename, clip.path.stat().st_size, clip.label, clip.fold) for clip in clips
        ],
        "versions": versions(),
    }
    files = row.system.files if isinstance(row.system, FromFiles) else ()
    if files:
        decisive["files"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    text = json.dumps(decisive, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Cell(row, seed, tuple(clips), classifiers, tuple(sorted(spec.c_grid)), digest)


@dataclass(frozen=True, slots=True)
class Store:
    """Where cells are kept.

    Attributes:
        folder: of the comparison.
    """

    folder: Path

    def answers_path(self, cell: Cell) -> Path:
        """Of a cell's answers."""
        return self.folder / "cells" / f"{cell.digest}.json"

    def cost_path(self, cell: Cell) -> Path:
        """Of a cell's cost."""
        return self.folder / "cells" / f"{cell.digest}-cost.json"

    def has(self, cell: Cell) -> bool:
        """Whether it is finished."""
        return self.answers_path(cell).is_file()

    def read(self, cell: Cell) -> tuple[Answered, Cost]:
        """What a finished cell left.

        Raises:
            ConfigurationError: its files are damaged.
        """
        path = self.answers_path(cell)
        try:
            answered = Answered.model_validate_json(path.read_text(encoding="utf-8"))
            return answered, Cost(**json.loads(self.cost_path(cell).read_text(encoding="utf-8")))
        except (OSError, ValidationError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{path} is damaged; remove it, and the cell is worked on again"
            ) from error

    def work(self, cell: Cell) -> str | None:
        """Work on a cell, and keep what comes of it; or say on one line why it failed.

        Systems are other people's code too: whatever one raises ends its cell, not the comparison. What is no
        mistake of the user's is kept with its traceback beside the cells.
        """
        run = self.folder / "running" / cell.digest
        failure = self.folder / "cells" / f"{cell.digest}-failed.txt"
        failure.unlink(missing_ok=True)
        methods: dict[str, Method] = {
            name: Choice(name).method(cell.c_grid) for name in cell.classifiers
        }
        try:
            answered, cost = answer_cell(cell.row, cell.clips, methods, seed=cell.seed, run=run)
            (self.folder / "cells").mkdir(parents=True, exist_ok=True)
            write_text(self.cost_path(cell), json.dumps(asdict(cost)) + "\n")
            write_text(self.answers_path(cell), answered.model_dump_json() + "\n")
        except StreamdeepError as error:
            return str(error)
        except Exception as error:
            failure.parent.mkdir(parents=True, exist_ok=True)
            write_text(failure, f"{cell.title}\n\n{traceback.format_exc()}")
            reason = next(iter(str(error).splitlines()), "no reason given")
            return f"{type(error).__name__}: {reason} (see {failure})"
        finally:
            shutil.rmtree(run, ignore_errors=True)
        return None
