"""A sound as one line of text: Audacity's label track, CSV, JSON. Pure.

Audacity and CSV get a line when a sound has ended, since only then its length is known; JSON lines get its start
and its end. Seconds count from the source's first sample, as a recording of the source does. Not here: files.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from streamdeep.labelling.labeller import utc_ns
from streamdeep.records import Sound
from streamdeep.wire.kinds import EmbeddingMessage
from streamdeep.wire.printable import one_line

_COLUMNS: Final = (
    "stream", "head", "label", "start_s", "stop_s", "start_utc", "confidence",
    "reason", "start_sample", "n_samples", "sample_rate_hz", "session",
)  # fmt: skip
_AUDACITY_LINE = re.compile(r"\d+\.\d+\t\d+\.\d+\t.*")


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A change of one stream.

    Attributes:
        head: the head's name.
        message: the embedding that showed it.
        sound: what began or ended.
    """

    head: str
    message: EmbeddingMessage
    sound: Sound

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.message.stream

    def as_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        sound, rate_hz = self.sound, self.message.sample_rate_hz
        return {
            "event": sound.state,
            "stream": self.stream,
            "head": self.head,
            "label": sound.label,
            "start_s": round(sound.start_sample / rate_hz, 6),
            "stop_s": round(sound.stop_sample / rate_hz, 6),
            "start_utc_ns": utc_ns(self.message, sound.start_sample),
            "confidence": round(sound.confidence, 6),
            "reason": sound.reason,
            "start_sample": sound.start_sample,
            "n_samples": sound.n_samples,
            "sample_rate_hz": rate_hz,
            "epoch": self.message.epoch,
            "session": self.message.session.hex(),
        }


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write sounds down.

    Attributes:
        header: the first line, with its end; empty for none.
        line: a change to its line, with its end; empty if it has none here. With True it names the stream
            also where the format has no place for it: several streams share the file.
        recognises: whether a line may be the first of such a file.
    """

    header: str
    line: Callable[[Heard, bool], str]
    recognises: Callable[[str], bool]


def _audacity(heard: Heard, shared: bool) -> str:
    if heard.sound.state != "end":
        return ""
    rate_hz = heard.message.sample_rate_hz
    start_s, stop_s = heard.sound.start_sample / rate_hz, heard.sound.stop_sample / rate_hz
    stream = f"{heard.stream}: " if shared else ""
    return f"{start_s:.6f}\t{stop_s:.6f}\t{stream}{one_line(heard.sound.label)}\n"


def _csv(heard: Heard, shared: bool) -> str:
    del shared
    if heard.sound.state != "end":
        return ""
    fields = heard.as_dict()
    began = datetime.fromtimestamp(fields["start_utc_ns"] / 1e9, UTC)
    fields["start_utc"] = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields["label"] = one_line(fields["label"])
    return _row([fields[column] for column in _COLUMNS])


def _row(values: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _json(heard: Heard, shared: bool) -> str:
    del shared
    return json.dumps(heard.as_dict()) + "\n"


def _is_json_line(line: str) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and {"event", "stream", "start_sample"} <= found.keys()


_CSV_HEADER = _row(list(_COLUMNS))

FORMATS: Final[Mapping[str, Format]] = {
    ".txt": Format("", _audacity, lambda line: _AUDACITY_LINE.fullmatch(line) is not None),
    ".csv": Format(_CSV_HEADER, _csv, lambda line: line == _CSV_HEADER.rstrip("\n")),
    ".jsonl": Format("", _json, _is_json_line),
}
"""By the end of a file's name."""
