"""The options of ``streamdeep classify``, as flags, environment and TOML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from streamdeep.config import Strict, describe, load_toml
from streamdeep.errors import ConfigurationError
from streamdeep.heads.settings import DecisionSettings, NoveltySettings
from streamdeep.wire.security import DEFAULT_ENDPOINT


class ClassifySettings(Strict):
    """All options, under the same names in TOML; flags win over the file.

    Attributes:
        head: head file; None is the embedded one.
        connect: where engines publish, a list.
        stream: only these streams; empty for all.
        publish: where labels are published; None: nowhere.
        identity: our ``.key_secret`` file, for engines that encrypt, and to encrypt what is published.
        allow: folder with the public keys of those who may then read the labels.
        insecure: allow to publish where other machines can listen, in clear text.
        out: label files, ``.txt`` (Audacity), ``.csv`` or ``.jsonl``.
        decision: when a sound begins and ends.
        novelty: when a stream sounds like nothing in the model's training.
    """

    head: Path | None = None
    connect: tuple[str, ...] = Field(default=(DEFAULT_ENDPOINT,), min_length=1, max_length=64)
    stream: tuple[str, ...] = ()
    identity: Path | None = None
    publish: str | None = None
    allow: Path | None = None
    insecure: bool = False
    out: tuple[str, ...] = Field(default=(), max_length=16)
    decision: DecisionSettings = DecisionSettings()
    novelty: NoveltySettings = NoveltySettings()


def settings_from(
    config: Path | None,
    given: dict[str, Any],
    decision: dict[str, Any],
    thresholds: Sequence[str],
    novelty: dict[str, Any] | None = None,
) -> ClassifySettings:
    """Merge flags and environment over a TOML file.

    Args:
        config: the file, if any.
        given: top-level options by name; None where not given.
        decision: those of ``[decision]``.
        thresholds: ``LABEL=ON`` or ``LABEL=ON:OFF``, over ``[decision.classes]``.
        novelty: those of ``[novelty]``.

    Raises:
        ConfigurationError: an unknown key, or a value out of range; one line.
    """
    base = load_toml(config, ClassifySettings).model_dump(exclude_unset=True) if config else {}
    merged = base | _named(given)
    merged["decision"] = dict(base.get("decision", {})) | _named(decision)
    merged["novelty"] = dict(base.get("novelty", {})) | _named(novelty or {})
    classes = dict(merged["decision"].get("classes", {}))
    for text in thresholds:
        label, on_off = _threshold(text)
        classes[label] = dict(classes.get(label, {})) | on_off
    if classes:
        merged["decision"]["classes"] = classes
    try:
        return ClassifySettings.model_validate(merged)
    except ValidationError as error:
        raise ConfigurationError(describe(error)) from error


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _threshold(text: str) -> tuple[str, dict[str, float | None]]:
    label, separator, numbers = text.rpartition("=")
    on, _, off = numbers.partition(":")
    try:
        if separator:
            return label, {"on": float(on), "off": float(off) if off else None}
    except ValueError:
        pass
    raise ConfigurationError(
        f"--threshold {text!r} must be LABEL=ON or LABEL=ON:OFF, like 'Dog bark=0.4:0.3'"
    )
