"""Writes a case of the conformance test: messages, and beside each the line that a correct client prints.

Every case has a stream and a session of its own, so that cases do not depend on one another, and lines tell
which case they belong to. Not here: which cases there are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from streamdeep.records import Flag
from streamdeep.wire.conformance.case import Case, Line, Moment
from streamdeep.wire.kinds import MODEL_BYTES, SESSION_BYTES, STAGES
from streamdeep.wire.messages import assemble

SAMPLE_RATE_HZ: Final = 44_100
LATENCY_NS: Final = 1_500_000_000
_DIGEST: Final = bytes(range(32))
_UTC_NS: Final = (
    1_767_225_600_123_456_789  # fixed, so that the bytes are; clients see a clock that is off
)
_SECOND_NS: Final = 1_000_000_000


class Script:
    """A case in the making; methods are named after the messages that they send.

    Args:
        name: the case's; a stream name.
        about: one sentence.
        moment: where and when it is played.
    """

    def __init__(self, name: str, about: str, moment: Moment | None = None) -> None:
        self._name = name
        self._about = about
        self.moment = moment or Moment()
        self._messages: list[list[bytes]] = []
        self._lines: list[Line] = []
        self._refused = 0
        self.session = hashlib.sha256(name.encode()).digest()[:SESSION_BYTES]

    def case(self) -> Case:
        """All that was written."""
        return Case(
            self._name, self._about, tuple(self._messages), tuple(self._lines), self._refused
        )

    def restart(self) -> None:
        """What follows is of another session."""
        self.session = hashlib.sha256(self.session).digest()[:SESSION_BYTES]

    def header(self, sequence: int, flags: int = 0) -> dict[str, Any]:
        """What every header has; each message is a second younger than the one before."""
        elapsed_ns = len(self._messages) * _SECOND_NS
        return {
            "v": 1,
            "stream": self._name,
            "session": self.session,
            "sequence": sequence,
            "published_utc_ns": _UTC_NS + elapsed_ns,
            "published_monotonic_ns": self.moment.monotonic_ns,
            "flags": flags,
        }

    def place(self, sequence: int) -> dict[str, Any]:
        """Which samples an embedding or a label is about."""
        n_samples = 5 * SAMPLE_RATE_HZ
        return {
            "epoch": 0,
            "start_sample": min(sequence, 1_000) * n_samples,
            "n_samples": n_samples,
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "captured_utc_ns": _UTC_NS + len(self._messages) * _SECOND_NS - LATENCY_NS,
            "model": _DIGEST[:MODEL_BYTES],
        }

    def raw(self, frames: Sequence[bytes], line: Line | None) -> None:
        """Any frames at all, and the line that they give, if any."""
        self._messages.append(list(frames))
        if line is not None:
            self._lines.append(line)

    def embedding(
        self,
        sequence: int,
        *,
        lost: int = 0,
        printed: bool = True,
        refused: bool = False,
        kind: str = "embedding",
        vector: Sequence[float] = (0.5, -1.0, 0.25, 3.0),
        flags: int = 0,
        age_s: float = LATENCY_NS / 1e9,
        header: Mapping[str, Any] | None = None,
        without: str = "",
        payload: bytes | None = None,
    ) -> None:
        """An embedding.

        Args:
            sequence: its number.
            lost: what the client has to report as lost with it.
            printed: False for one that gives no line: a duplicate.
            refused: it is none of this protocol: no line, and counted.
            kind: ``embedding`` or ``early``.
            vector: what it holds.
            flags: of the header; ``early`` is set by the kind.
            age_s: what its age must be at least.
            header: keys to be added or changed.
            without: a key to be left out.
            payload: instead of the vector's bytes.
        """
        flags |= Flag.EARLY if kind == "early" else 0
        values = self._embedding_header(sequence, int(flags), len(vector)) | dict(header or {})
        values.pop(without, None)
        content = np.array(vector, "<f4").tobytes() if payload is None else payload
        line = None
        if printed and not refused:
            shown = {key: values[key] for key in ("start_sample", "n_samples")}
            shown |= {"dim": len(vector), "values": list(vector[:3])}
            line = Line(self._line(kind, sequence, lost) | shown, age_s=age_s)
        self._send(f"{kind}/{self._name}/", values, content, line, refused)

    def embedding_frames(self, sequence: int) -> list[bytes]:
        """The frames of an embedding, to be changed and given to :meth:`raw` or :meth:`refuse`."""
        header = self._embedding_header(sequence, 0, 4)
        return assemble(f"embedding/{self._name}/", header, bytes(16))

    def event(
        self,
        sequence: int,
        event: str,
        *,
        lost: int = 0,
        refused: bool = False,
        optional: bool = False,
        at_sample: int = 441_000,
        header: Mapping[str, Any] | None = None,
        payload: object = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """An event; ``payload`` is sent instead of its map, ``more`` is added to it."""
        content = {"event": event, "epoch": 0, "at_sample": at_sample, "n_samples": 0, "reason": "", "estimated": False}  # fmt: skip
        shown = {key: content[key] for key in ("event", "at_sample", "n_samples")}
        line = Line(self._line("event", sequence, lost) | shown, optional=optional)
        self._send(
            f"event/{self._name}/",
            self.header(sequence) | dict(header or {}),
            content | dict(more or {}) if payload is None else payload,
            None if refused else line,
            refused,
        )

    def label(
        self,
        sequence: int,
        label: str,
        *,
        lost: int = 0,
        flags: int = 0,
        printed: bool = True,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """A label of the head ``birds``; ``more`` is added to its payload."""
        header = self.header(sequence, flags) | self.place(sequence) | {"head": "birds"}
        shown = {key: header[key] for key in ("head", "start_sample", "n_samples")}
        self._send(
            f"label/{self._name}/birds/",
            header,
            {"label": label, "probabilities": {label: 0.75, "rain": 0.25}} | dict(more or {}),
            Line(self._line("label", sequence, lost) | shown | {"label": label})
            if printed
            else None,
        )

    def model(
        self,
        sequence: int,
        *,
        lost: int = 0,
        flags: int = 0,
        printed: bool = True,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """The description of a model."""
        content = {
            "digest": _DIGEST, "name": "scene", "dim": 4, "sample_rate_hz": 16_000, "hop_samples": 640,
            "window_samples": 1_280, "segment_frames": 124, "segment_hop_frames": 62,
            "source_rate_hz": SAMPLE_RATE_HZ, "source_channels": 1, "incremental": True,
            "frontend_json": "{}", "version": "0.1.0",
        }  # fmt: skip
        line = Line(self._line("model", sequence, lost) | {"name": "scene", "dim": 4})
        self._send(
            f"model/{self._name}/",
            self.header(sequence, flags),
            content | dict(more or {}),
            line if printed else None,
        )

    def status(
        self,
        sequence: int,
        last: Mapping[str, int],
        *,
        lost: int = 0,
        flags: int = 0,
        header: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """A status; ``last`` has the last sequence number by kind of message."""
        n_samples = 441_000
        content = {
            "sequences": {f"{kind}/{self._name}/": number for kind, number in last.items()},
            "counters": {"captured": n_samples, "embedded": n_samples, "skipped": 0, "in_flight": 0, "dropped": {"gap": 0}},
            "clock": {"sample": n_samples, "monotonic_ns": 1, "utc_ns": _UTC_NS, "rate_hz": SAMPLE_RATE_HZ},
            "host": self.moment.host,
            "uptime_s": 10.5,
            "live": True,
        }  # fmt: skip
        self._send(
            f"status/{self._name}/",
            self.header(sequence, flags) | dict(header or {}),
            content | dict(more or {}),
            Line(self._line("status", sequence, lost)),
        )

    def refuse(self, frames: Sequence[bytes]) -> None:
        """Frames that are no message of this protocol."""
        self._refused += 1
        self.raw(frames, None)

    def _embedding_header(self, sequence: int, flags: int, dim: int) -> dict[str, Any]:
        return {
            **self.header(sequence, flags),
            **self.place(sequence),
            "latency_ns": LATENCY_NS,
            "gap_samples": 0,
            "stages_ns": dict.fromkeys(STAGES, LATENCY_NS // len(STAGES)),
            "dtype": "<f4",
            "shape": [dim],
            "level_dbfs": -20.5,
            "peak_dbfs": -3.25,
        }

    def _line(self, kind: str, sequence: int, lost: int) -> dict[str, Any]:
        return {"kind": kind, "stream": self._name, "sequence": sequence, "lost": lost}

    def _send(
        self, topic: str, header: object, payload: object, line: Line | None, refused: bool = False
    ) -> None:
        frames = assemble(topic, header, payload)
        if refused:
            self.refuse(frames)
        else:
            self.raw(frames, line)
