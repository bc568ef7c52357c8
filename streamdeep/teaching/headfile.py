"""A taught head on disk: one ONNX file that carries the examples it was learnt from, so that it can be continued.

The examples lie in the head's own metadata, ``extensions["teaching"]``, and not in a file beside it: what was taught
cannot be parted from what it taught, one digest guards both, and one step replaces both. What it costs: a third
more bytes than the vectors have, which whoever loads the head reads past. A head that is handed on can be written without
them. No pickle. Not here: how a head runs (:mod:`streamdeep.heads.head`).
"""

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from streamdeep import __version__
from streamdeep.config import Strict, describe
from streamdeep.encoder.contract import Floats
from streamdeep.errors import ConfigurationError, ModelError, StreamdeepError
from streamdeep.heads.head import Head, load_head
from streamdeep.heads.writing import write_linear_head
from streamdeep.teaching.example import Example, Meaning, Place
from streamdeep.teaching.examples import EXAMPLES_MOST, Examples
from streamdeep.teaching.learner import Learnt
from streamdeep.wire.topics import is_name

EXTENSION: Final = "teaching"
NAME: Final = "taught"
"""What a head is called where its file's name cannot be a name on the wire."""


class _Kept(Strict):
    """Examples as they lie in a head, format 1: a column per field, a row per segment.

    Attributes:
        format: 1.
        vectors: ``(rows, dim)``.
        label: of each row, like all below; see :class:`Meaning`, :class:`Place` and :class:`Example`.
        negative: see there.
        take: see there.
        source: see there.
        session: see there.
        start_sample: see there.
        n_samples: see there.
        sample_rate_hz: see there.
        captured_utc_ns: see there.
    """

    format: Literal[1] = 1
    vectors: Floats
    label: list[str] = Field(max_length=EXAMPLES_MOST)
    negative: list[bool]
    take: list[int]
    source: list[str]
    session: list[str]
    start_sample: list[int]
    n_samples: list[int]
    sample_rate_hz: list[int]
    captured_utc_ns: list[int]

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        columns = [getattr(self, name) for name in type(self).model_fields]
        lengths = {len(column) for column in columns if isinstance(column, list)}
        if len(self.vectors.shape) != 2 or lengths != {self.vectors.shape[0]}:
            raise ValueError(f"vectors of shape {self.vectors.shape} beside columns of {lengths}")
        numbers = (*self.take, *self.start_sample, *self.captured_utc_ns)
        if min((0, *numbers)) < 0 or min((1, *self.n_samples, *self.sample_rate_hz)) < 1:
            raise ValueError("a place or take is negative")
        return self

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """Pack examples."""
        every = examples.all
        return cls(
            vectors=Floats.of(examples.vectors()),
            label=[one.meaning.label for one in every],
            negative=[one.meaning.negative for one in every],
            take=[one.take for one in every],
            source=[one.place.source for one in every],
            session=[one.place.session for one in every],
            start_sample=[one.place.start_sample for one in every],
            n_samples=[one.place.n_samples for one in every],
            sample_rate_hz=[one.place.sample_rate_hz for one in every],
            captured_utc_ns=[one.place.captured_utc_ns for one in every],
        )

    def unpacked(self, encoder: bytes, dim: int) -> Examples:
        """The examples.

        Raises:
            ValueError: the vectors are not finite, or not what they say they are.
            ConfigurationError: a label is none, or there are too many.
        """
        vectors = self.vectors.array()
        if not (abs(vectors) < float("inf")).all():
            raise ValueError("a vector is not finite")
        places = zip(
            self.source, self.session, self.start_sample, self.n_samples, self.sample_rate_hz,
            self.captured_utc_ns, strict=True,
        )  # fmt: skip
        rows = zip(vectors, self.label, self.negative, places, self.take, strict=True)
        return Examples(
            encoder,
            dim,
            [
                Example(vector, Meaning(label, negative), Place(*place), take)
                for vector, label, negative, place, take in rows
            ],
        )


def save_head(
    path: Path, learnt: Learnt, examples: Examples, *, name: str | None = None, keep: bool = True
) -> Head:
    """Write a head; an old one stays whole until the new one is.

    Args:
        path: where to.
        learnt: what the examples taught.
        examples: these examples.
        name: what the head is called on the wire; None: as the file, if that is a name.
        keep: the head carries the examples; without them it cannot be continued.

    Raises:
        ConfigurationError: it cannot be written, or the name is none.
    """
    fallback = path.stem.lower()
    chosen = (fallback if is_name(fallback) else NAME) if name is None else name
    if not is_name(chosen):
        raise ConfigurationError(
            f"{chosen!r} cannot name a head: [a-z0-9][a-z0-9_.-]{{0,63}} is needed"
        )
    extensions = {EXTENSION: _Kept.of(examples).model_dump()} if keep else {}
    try:
        return write_linear_head(
            path,
            learnt.linear.weight,
            learnt.linear.bias,
            learnt.labels,
            examples.encoder,
            provenance=_provenance(chosen, learnt),
            extensions=extensions,
        )
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror or error}; choose another --out, or make room"
        ) from error


def _provenance(name: str, learnt: Learnt) -> dict[str, Any]:
    return {
        "name": name,
        "classifier": f"{learnt.method} on standardised embeddings",
        "left_out_accuracy": dict(learnt.accuracies),
        "left_out": {
            str(meaning): {
                "right": score.right,
                "judged": score.judged,
                "takes": score.takes,
                "segments": score.segments,
            }
            for meaning, score in learnt.scores.items()
        },
        "calibration": "temperature, on segments left out" if learnt.calibrated else "none",
        "streamdeep": __version__,
    }


def load_taught(path: Path) -> tuple[Head, Examples | None]:
    """Load a head, and the examples that it carries; None if it carries none.

    Raises:
        ModelError: it is damaged, foreign or too new, or its examples are.
    """
    head = load_head(path)
    kept = head.contract.extensions.get(EXTENSION)
    if kept is None:
        return head, None
    version = kept.get("format") if isinstance(kept, dict) else None
    if isinstance(version, int) and version > 1:
        raise ModelError(
            f"{path} carries examples of format {version}; this version reads format 1: upgrade streamdeep"
        )
    try:
        record = _Kept.model_validate(kept)
        return head, record.unpacked(bytes.fromhex(head.contract.encoder), head.contract.dim)
    except (ValueError, StreamdeepError) as error:
        reason = describe(error) if isinstance(error, ValidationError) else error
        raise ModelError(f"{path} carries examples that cannot be used: {reason}") from error
