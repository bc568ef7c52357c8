"""Every clip under every condition, by every model, through the engine's own pipeline; each lot kept in a file.

A file is one model's embeddings under one condition, known by a digest of all that decides them, so that a run
that broke off goes on, and one more model costs only its own. Each is a table as ``embed`` writes it. Not
here: what is done to sound (``conditions``), what embeddings are worth (``judging``).
"""

import hashlib
import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from streamdeep.encoder.model import Model, load_model
from streamdeep.frontend.logmel import warm_up
from streamdeep.records import Embedding
from streamdeep_trainer.conditions.condition import Condition
from streamdeep_trainer.conditions.sound import read_sound
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.embed import (
    embed_sound,
    gathered,
    save_embeddings,
)
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.progress import progress
from streamdeep_trainer.skipped import UNUSABLE, reason_of
from streamdeep_trainer.workers import workers

FORMAT: Final = 1
FOLDER: Final = "embeddings"

_Results = list[list[Embedding] | str]


class Embedder:
    """Models that are loaded when they are first wanted; travels to another process without them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._models: dict[Path, Model] = {}

    def __reduce__(self) -> tuple[type["Embedder"], tuple[tuple[Path, ...]]]:
        return Embedder, (self._paths,)

    def model(self, path: Path) -> Model:
        """A model, loaded and proven.

        Raises:
            ModelError: the file is not good.
        """
        if path not in self._models:
            self._models[path] = load_model(path)
            warm_up(self._models[path].contract.frontend)
        return self._models[path]

    def __call__(
        self, clip: Clip, condition: Condition, seed: int, paths: tuple[Path, ...]
    ) -> _Results:
        """One clip, changed once: its embeddings by each of some models, or why there are none."""
        try:
            changed = condition.change(read_sound(clip.path), seed=seed, filename=clip.filename)
        except UNUSABLE as error:
            return [reason_of(clip.path, error) for _ in paths]
        found: _Results = []
        for path in paths:
            try:
                found.append(embed_sound(changed, self.model(path)))
            except UNUSABLE as error:
                found.append(reason_of(clip.path, error))
        return found


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be embedded.

    Attributes:
        clips: of a data set.
        models: files.
        conditions: each once.
        seed: of what is drawn.
        folder: where embeddings are kept.
        workers: processes.
    """

    clips: tuple[Clip, ...]
    models: tuple[Path, ...]
    conditions: tuple[Condition, ...]
    seed: int
    folder: Path
    workers: int = 1

    def path(self, model: Model, condition: Condition) -> Path:
        """Where one lot is kept: all that decides it is in its name.

        That is the model, the condition, the seed, every clip's name and size, and the versions of what computes.
        """
        decisive = {
            "format": FORMAT,
            "model": model.digest.hex(),
            "condition": condition.name,
            "seed": self.seed,
            "clips": [(clip.filename, clip.path.stat().st_size) for clip in self.clips],
            "versions": versions() | {"av": _version_of_av()},
        }
        text = json.dumps(decisive, sort_keys=True)
        return self.folder / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.nc"


def embed_all(order: Order, embedder: Embedder) -> dict[tuple[Path, Condition], Path]:
    """Embed what is not kept yet, a condition after the other.

    Returns:
        The file of every model under every condition; read it with :func:`~streamdeep_trainer.embed.load_embeddings`.

    Raises:
        SourceError: under a condition not one clip can be embedded.
        ModelError: a model file is not good.
        ConfigurationError: a file cannot be written.
    """
    files = {
        (path, condition): order.path(embedder.model(path), condition)
        for condition in order.conditions
        for path in order.models
    }
    lacking = {
        condition: tuple(path for path in order.models if not files[path, condition].is_file())
        for condition in order.conditions
    }
    lacking = {condition: paths for condition, paths in lacking.items() if paths}
    with (
        progress(len(lacking) * len(order.clips), "embed") as step,
        workers(embedder, order.workers) as pool,
    ):
        for condition, paths in lacking.items():
            lots: list[_Results] = [[] for _ in paths]
            waiting: deque[Future[_Results]] = deque()
            for clip in order.clips:
                waiting.append(pool.submit(clip, condition, order.seed, paths))
                if len(waiting) > 2 * order.workers:
                    _take(waiting.popleft(), lots)
                step(condition.name)
            while waiting:
                _take(waiting.popleft(), lots)
            for path, results in zip(paths, lots, strict=True):
                embedded = gathered(order.clips, results, embedder.model(path))
                drawn = {"condition": condition.name, "condition_seed": order.seed}
                save_embeddings(
                    files[path, condition], replace(embedded, about=embedded.about | drawn)
                )
    return files


def _take(future: Future[_Results], lots: list[_Results]) -> None:
    for lot, result in zip(lots, future.result(), strict=True):
        lot.append(result)


def _version_of_av() -> str | None:
    try:
        return version("av")
    except PackageNotFoundError:
        return None
