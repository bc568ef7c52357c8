"""Embedded sound files as examples: whole files of one class, and files whose labels lie beside them. Pure.

Not here: how a file is embedded (``streamdeep.cli.embed``, the pipeline of ``run``), label files (``labels``).
"""

from collections.abc import Sequence
from pathlib import Path

from streamdeep.errors import SourceError
from streamdeep.heads.settings import UNKNOWN
from streamdeep.records import Embedding
from streamdeep.teaching.example import Meaning, Place
from streamdeep.teaching.examples import Examples, Vector
from streamdeep.teaching.labels import Label
from streamdeep.teaching.stretch import segments_in

_NOT = "not "


def class_folders(folder: Path) -> list[tuple[Path, Meaning]]:
    """The sub-folders, one per class, and what each says of its sounds.

    ``unknown`` is background; ``not X`` beside a folder ``X`` holds what is not X.

    Raises:
        SourceError: the folder cannot be read, or has no sub-folder.
        ConfigurationError: a sub-folder's name is none for a class.
    """
    try:
        found = sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
    except OSError as error:
        raise SourceError(
            f"cannot read the folder {folder}: {error.strerror or error}; it needs a sub-folder of clips for each class"
        ) from error
    if not found:
        raise SourceError(f"{folder} has no sub-folders; each class needs one, full of its sounds")
    names = {path.name for path in found}
    return [(path, _meaning(path.name, names)) for path in found]


def _meaning(name: str, names: set[str]) -> Meaning:
    other = name.removeprefix(_NOT)
    negative = other != name and other in names
    return Meaning(other, negative=True) if negative else Meaning(name)


def add_clip(
    examples: Examples, source: str, embeddings: Sequence[Embedding], meaning: Meaning
) -> int:
    """A whole file is one take; returns how many segments it has."""
    found = [(one.vector, _place(source, one)) for one in embeddings]
    return examples.add(examples.name(meaning), found, examples.encoder)


def add_labelled(
    examples: Examples,
    source: str,
    embeddings: Sequence[Embedding],
    labels: Sequence[Label],
    *,
    rest_is_unknown: bool = False,
) -> list[Label]:
    """Every label is one take.

    Args:
        examples: where they go.
        source: what the file is called.
        embeddings: of the whole file.
        labels: its labels.
        rest_is_unknown: segments that overlap no label are background; each run of them is one take.

    Returns:
        The labels of which the file holds no segment.
    """
    places = [_place(source, one) for one in embeddings]
    found = [(one.vector, place) for one, place in zip(embeddings, places, strict=True)]
    if not found:
        return list(labels)
    rate_hz, empty = embeddings[0].sample_rate_hz, list[Label]()
    stretches = [label.samples(rate_hz) for label in labels]
    for label, (start, stop) in zip(labels, stretches, strict=True):
        inside = segments_in(start, stop, places)
        if inside:
            _add(examples, [found[i] for i in inside], label.meaning)
        else:
            empty.append(label)
    if rest_is_unknown:
        run: list[tuple[Vector, Place]] = []
        for one in found:
            place = one[1]
            if any(
                place.start_sample < stop and place.stop_sample > start for start, stop in stretches
            ):
                _add(examples, run, Meaning(UNKNOWN))
                run = []
            else:
                run.append(one)
        _add(examples, run, Meaning(UNKNOWN))
    return empty


def _add(examples: Examples, found: Sequence[tuple[Vector, Place]], meaning: Meaning) -> None:
    if found:
        examples.add(examples.name(meaning), found, examples.encoder)


def _place(source: str, one: Embedding) -> Place:
    return Place(source, "", one.start_sample, one.n_samples, one.sample_rate_hz)
