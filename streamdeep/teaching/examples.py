"""All examples of one head: named, corrected, removed, and every step undone. Pure.

A *take* is one naming: what was said once of a stretch of sound, and the segments of it, which may come later than
what was said. Takes are corrected, removed and brought back whole. A segment that is in several takes has the
meaning of the last of them. All belong to one encoder, by its SHA-256. Not here: which segments a naming takes
(``teacher``), files (``headfile``).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, MismatchError
from streamdeep.heads.settings import UNKNOWN
from streamdeep.teaching.example import Example, Meaning, Place

CLASSES_MOST: Final = 256
EXAMPLES_MOST: Final = 20_000
NUMBERS_MOST: Final = 24_000_000
"""Numbers in all vectors together, 96 MB: as text within a head they stay below what a head file may have."""
STEPS_MOST: Final = 100
"""Steps that can be undone."""

Vector = NDArray[np.float32]


class Examples:
    """The examples of one head.

    Args:
        encoder: SHA-256 of the encoder that made the embeddings, 32 bytes.
        dim: length of an embedding.
        examples: those there are already; that they came is no step.

    Raises:
        ConfigurationError: there are too many.
        ValueError: a digest or a vector of another length.
    """

    def __init__(self, encoder: bytes, dim: int, examples: Iterable[Example] = ()) -> None:
        if len(encoder) != 32:
            raise ValueError(f"encoder has {len(encoder)} bytes, a SHA-256 has 32")
        self.encoder: Final = encoder
        self.dim: Final = dim
        self._meanings: dict[int, Meaning] = {}
        self._segments: dict[int, dict[Place, Vector]] = {}
        # What a take meant before each step; None: it was not there.
        self._steps: deque[tuple[int, Meaning | None]] = deque(maxlen=STEPS_MOST)
        self._n_segments = 0
        self._next_take = 0
        self._known: tuple[Example, ...] | None = ()
        for example in examples:
            self._meanings[example.take] = example.meaning
            self._next_take = max(self._next_take, example.take + 1)
            self.add(example.take, [(example.vector, example.place)], encoder)
        self._refuse_classes(self._meanings.values())

    def __len__(self) -> int:
        return len(self.all)

    @property
    def all(self) -> tuple[Example, ...]:
        """Every example, in the order in which they were named; a segment occurs once."""
        if self._known is None:
            found: dict[Place, Example] = {}
            for take in sorted(self._meanings):
                for place, vector in self._segments[take].items():
                    found.pop(place, None)
                    found[place] = Example(vector, self._meanings[take], place, take)
            self._known = tuple(found.values())
        return self._known

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that examples are taught as, in the order in which they came; ``unknown`` is last."""
        found = dict.fromkeys(example.meaning.taught_as for example in self.all)
        return tuple(sorted(found, key=lambda label: label == UNKNOWN))

    @property
    def takes(self) -> dict[int, Meaning]:
        """What was said in each naming, oldest first; its segments may still have to come."""
        return {take: self._meanings[take] for take in sorted(self._meanings)}

    def vectors(self) -> Vector:
        """``(examples, dim)``."""
        if not self.all:
            return np.empty((0, self.dim), dtype=np.float32)
        return np.stack([example.vector for example in self.all])

    # --- steps, each of which can be undone ---------------------------------------------------------------

    def name(self, meaning: Meaning) -> int:
        """Something is said of a sound; its segments come by :meth:`add`.

        Returns:
            The number of the take.

        Raises:
            ConfigurationError: there would be too many classes.
        """
        self._refuse_classes([*self._meanings.values(), meaning])
        take, self._next_take = self._next_take, self._next_take + 1
        self._segments[take] = {}
        self._step(take, meaning)
        return take

    def relabel(self, take: int, meaning: Meaning) -> None:
        """Correct what was said.

        Raises:
            ConfigurationError: there is no such take, or there would be too many classes.
        """
        self._require(take)
        self._refuse_classes([*self._meanings.values(), meaning])
        self._step(take, meaning)

    def remove(self, take: int) -> None:
        """Take back what was said.

        Raises:
            ConfigurationError: there is no such take.
        """
        self._require(take)
        self._step(take, None)

    def undo(self) -> bool:
        """Take back the last step, whatever it was; False if there is none."""
        if not self._steps:
            return False
        take, former = self._steps.pop()
        self._set(take, former)
        self._prune()
        return True

    # --- segments -----------------------------------------------------------------------------------------

    def add(self, take: int, found: Sequence[tuple[Vector, Place]], encoder: bytes) -> int:
        """Add segments to a take; of one that was taken back they are passed over.

        Args:
            take: from :meth:`name`.
            found: vectors ``(dim,)`` float32, and where they lie.
            encoder: SHA-256 of the encoder that made them, or the first 8 bytes of it.

        Returns:
            How many of them the take did not have before.

        Raises:
            MismatchError: another encoder's.
            ConfigurationError: there would be too many.
            ValueError: a vector of another length.
        """
        self.check(encoder)
        if take not in self._meanings:
            return 0
        held = self._segments.setdefault(take, {})
        new = {place: vector for vector, place in found if place not in held}
        for vector in new.values():
            if vector.shape != (self.dim,):
                raise ValueError(f"a vector of shape {vector.shape}, not ({self.dim},)")
        n_segments, most = self._n_segments + len(new), min(EXAMPLES_MOST, NUMBERS_MOST // self.dim)
        if n_segments > most:
            raise ConfigurationError(
                f"{n_segments} segments are too many to teach from, at most {most}; teach from fewer, or train a "
                "head with `streamdeep-train head`"
            )
        held |= new
        self._n_segments, self._known = n_segments, None
        return len(new)

    def check(self, encoder: bytes) -> None:
        """Refuse another encoder's embeddings.

        Args:
            encoder: its SHA-256, or the first 8 bytes of it.

        Raises:
            MismatchError: names both.
        """
        if len(encoder) < 8 or not self.encoder.startswith(encoder):
            raise MismatchError(
                f"the examples are embeddings of the encoder {self.encoder.hex()[:16]}, these are of "
                f"{encoder.hex()[:16]}: run that encoder, or teach another head"
            )

    def _step(self, take: int, meaning: Meaning | None) -> None:
        self._steps.append((take, self._meanings.get(take)))
        self._set(take, meaning)
        self._prune()

    def _set(self, take: int, meaning: Meaning | None) -> None:
        if meaning is None:
            del self._meanings[take]
        else:
            self._meanings[take] = meaning
        self._known = None

    def _prune(self) -> None:
        """Let go of the segments of takes that no undoing can bring back."""
        wanted = {
            take for take, former in self._steps if former is not None
        } | self._meanings.keys()
        for take in self._segments.keys() - wanted:
            self._n_segments -= len(self._segments.pop(take))

    def _require(self, take: int) -> None:
        if take not in self._meanings:
            raise ConfigurationError("there is nothing to correct: no such naming stands")

    def _refuse_classes(self, meanings: Iterable[Meaning]) -> None:
        n_classes = len({meaning.label for meaning in meanings})
        if n_classes > CLASSES_MOST:
            raise ConfigurationError(f"{n_classes} classes are too many, at most {CLASSES_MOST}")
