"""Messages in, packets out: what is heard, where it lies on the map, how all streams are doing. Pure: the clock is an argument.

Labels are those of :mod:`streamdeep.labelling`, as ``classify`` has them; how streams are doing is
:mod:`streamdeep.watching`'s. Not here: sockets, browsers, teaching.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from streamdeep.dashboard.chart import Chart
from streamdeep.dashboard.packets import Packet, columns, text
from streamdeep.heads.head import Head
from streamdeep.heads.settings import DecisionSettings
from streamdeep.labelling.labeller import Labelled, Labeller
from streamdeep.records import Flag
from streamdeep.watching.board import Board
from streamdeep.wire.framekinds import FramesMessage
from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    Message,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.tally import TopicStatistics
from streamdeep.wire.trouble import ConnectionState

STREAMS_MOST: Final = 32
"""Streams beyond are counted and not shown: nobody looks at more at once; ``--stream`` chooses."""
KEEP_FRAMES: Final = 160
KEEP_HEARD: Final = 150
KEEP_EVENTS: Final = 30
_LABELS_MOST: Final = 1024


class Scene:
    """Everything that is shown.

    Args:
        head: what labels embeddings of its own encoder.
        decision: when a sound begins and ends.
        chart: the map.

    Attributes:
        head: as given, or set since.
    """

    def __init__(self, head: Head, decision: DecisionSettings, chart: Chart) -> None:
        self._decision = decision
        self._chart = chart
        self._board = Board()
        self._statuses: dict[str, StatusMessage] = {}
        self._models: dict[str, ModelMessage] = {}
        self._shown: set[str] = set()
        self._ignored: set[str] = set()
        self.head = head
        self._labeller = Labeller(head, decision)

    def change_head(self, head: Head, *, now_ns: int) -> list[Packet]:
        """From now on label with this one; sounds that go on begin anew."""
        self.head = head
        self._labeller = Labeller(head, self._decision)
        for model in self._models.values():  # what novelty means
            self._labeller.push(model, now_ns=now_ns)
        return [self.introduction(), *map(self._model, self._models.values())]

    def introduction(self) -> Packet:
        """What labels mean, which model the map is of."""
        return text(
            "introduction",
            1,
            {
                "kind": "introduction",
                "head": self.head.name,
                "labels": list(self.head.contract.labels[:_LABELS_MOST]),
                "encoder": self.head.contract.encoder[:16],
                "map_model": self._chart.name,
            },
        )

    def push(self, message: Message, *, now_ns: int) -> list[Packet]:
        """Take a message that came at ``now_ns``, monotonic."""
        if not self._shows(message.stream):
            return []
        if isinstance(message, FramesMessage):
            return [columns(message, KEEP_FRAMES)]
        self._board.push(message, now_ns=now_ns)
        match message:
            case EmbeddingMessage() if self.head.accepts(message.model):
                found = self._labeller.push(message, now_ns=now_ns)
                return [self._heard(one.message, one) for one in found]
            case EmbeddingMessage():
                return [self._heard(message, None)]
            case StatusMessage():
                self._statuses[message.stream] = message
            case ModelMessage():
                self._models[message.stream] = message
                self._labeller.push(message, now_ns=now_ns)
                return [self._model(message)]
            case EventMessage():
                cut = self._labeller.push(message, now_ns=now_ns)
                return [*(self._heard(one.message, one) for one in cut), _event(message)]
        return []

    def tick(self, now_ns: int) -> list[Packet]:
        """End the sounds of streams of which nothing comes any more; to be called now and then."""
        return [self._heard(one.message, one) for one in self._labeller.tick(now_ns)]

    def board(
        self,
        topics: Mapping[str, TopicStatistics],
        connections: Sequence[ConnectionState],
        *,
        now_ns: int,
    ) -> Packet:
        """How all streams and connections are, once a second.

        Args:
            topics: the subscriber's books, of the same moment.
            connections: of the same moment.
            now_ns: monotonic time.
        """
        rows = self._board.rows(topics, now_ns=now_ns)
        return text(
            "board",
            1,
            {
                "kind": "board",
                "streams": [row.as_dict() | self._account(row.stream) for row in rows],
                "connections": [asdict(one) for one in connections],
                "not_shown": len(self._ignored),
            },
        )

    def _shows(self, stream: str) -> bool:
        if stream not in self._shown:
            if len(self._shown) >= STREAMS_MOST:
                if len(self._ignored) < 10_000:
                    self._ignored.add(stream)
                return False
            self._shown.add(stream)
        return True

    def _account(self, stream: str) -> dict[str, Any]:
        """What the newest status says of a stream's samples."""
        status = self._statuses.get(stream)
        if status is None:
            return {"counters": None, "rate_hz": None, "frames": False, "live": None}
        return {
            "counters": status.counters,
            "rate_hz": status.clock.rate_hz,
            "frames": f"frames/{stream}/" in status.sequences,
            "live": status.live,
        }

    def _heard(self, message: EmbeddingMessage, labelled: Labelled | None) -> Packet:
        rate_hz, novelty = message.sample_rate_hz, message.novelty
        noticed = None if labelled is None else labelled.noticed
        charted = self._chart.belongs_to(message.model)
        place = self._chart.place(message.vector) if charted and self._chart.has_map else None
        content = {
            "kind": "heard",
            "stream": message.stream,
            "utc_ms": message.captured_utc_ns / 1e6,
            "start_s": message.start_sample / rate_hz,
            "stop_s": message.stop_sample / rate_hz,
            "sequence": message.sequence,
            "epoch": message.epoch,
            "place": None if place is None else [round(axis, 4) for axis in place],
            "level_dbfs": round(message.level_dbfs, 2),
            "peak_dbfs": round(message.peak_dbfs, 2),
            "clipped": Flag.CLIPPED in message.flags,
            "offline": Flag.OFFLINE in message.flags,
            "latency_us": message.latency_ns // 1000,
            "stages_us": {stage: ns / 1000 for stage, ns in message.stages_ns.items()},
            "novelty": None if novelty is None else round(novelty, 4),
            "never_heard": noticed is not None and noticed.novel,
            "drifting": noticed is not None and noticed.drifting,
        }
        if labelled is not None:
            mine = [sound for sound in labelled.sounds if sound.label == labelled.label]
            content |= {
                "label": labelled.label,
                "confidence": round(mine[0].confidence, 4) if mine else None,
                "probabilities": labelled.probabilities,
                "only_changes": labelled.only_changes,
            }
        return text(f"heard/{message.stream}", KEEP_HEARD, content)

    def _model(self, message: ModelMessage) -> Packet:
        view = _first_view(message.frontend_json)
        return text(
            f"model/{message.stream}",
            1,
            {
                "kind": "model",
                "stream": message.stream,
                "name": message.name,
                "digest": message.digest.hex()[:16],
                "segment_s": message.segment_frames * message.hop_samples / message.sample_rate_hz,
                "hop_s": message.segment_hop_frames * message.hop_samples / message.sample_rate_hz,
                "model_rate_hz": message.sample_rate_hz,
                "source_rate_hz": message.source_rate_hz,
                "scale": view.get("scale", "htk"),
                "head_fits": self.head.accepts(message.digest),
                "map_fits": self._chart.belongs_to(message.digest) and self._chart.has_map,
            },
        )


def _event(message: EventMessage) -> Packet:
    return text(
        f"event/{message.stream}",
        KEEP_EVENTS,
        {
            "kind": "event",
            "stream": message.stream,
            "event": message.event,
            "reason": message.reason,
            "n_samples": message.n_samples,
            "estimated": message.estimated,
            "utc_ms": message.published_utc_ns / 1e6,
        },
    )


def _first_view(frontend_json: str) -> dict[str, Any]:
    """The front-end's first view; empty if a later release describes it in another way."""
    try:
        view = json.loads(frontend_json)["views"][0]
    except (ValueError, LookupError, TypeError):
        return {}
    return view if isinstance(view, dict) else {}
