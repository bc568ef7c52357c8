"""What the engine sends through: fills in sequence numbers and times, packs, sends, repeats for joiners.

Live, sending never waits: a reader that is too slow loses messages, and sees from the sequence numbers how
many. Lossless, for a file played as fast as it goes, a slow reader slows the sender. Everything is to be
called from one thread; only :meth:`Publisher.stop_waiting` may come from another. Not here: what the bytes
are (:mod:`streamdeep.wire.messages`), where one may listen (:mod:`streamdeep.wire.security`).
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Self, Unpack

import numpy as np

from streamdeep.records import Embedding, Flag, Sound, Spectrogram
from streamdeep.wire.framekinds import FramesMessage
from streamdeep.wire.gate import Guard
from streamdeep.wire.host import this_host
from streamdeep.wire.kinds import (
    SESSION_BYTES,
    STAGES,
    ClockPoint,
    Counters,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelContent,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.messages import pack
from streamdeep.wire.outbox import Outbox
from streamdeep.wire.repeats import Repeats
from streamdeep.wire.security import check_bind

# A repeat that is due and cannot be sent, because a reader is full, must not turn waiting into spinning.
_RETRY_S: Final = 0.01


class Publisher:
    """One XPUB socket, bound on construction.

    Args:
        bind: where to listen; ``tcp://127.0.0.1:*`` takes any free port.
        insecure: allow addresses that other machines can reach, in clear text.
        lossless: wait for slow readers instead of losing messages.
        high_water_mark: messages queued per reader. Small, because after a stall a queue hands out its
            oldest messages first.
        session: 16 bytes; random if not given.
        clock: monotonic nanoseconds.
        utc: Unix time in nanoseconds.
        patience_s: how long a lossless publisher waits for a reader that takes nothing. Longer than the 12 s
            after which ZeroMQ drops a peer that does not answer, so that a dead one costs no message.
        guard: encrypt, and let in only those whom it allows.

    Raises:
        ConfigurationError: the address is malformed, or not local and neither ``insecure`` nor guarded.
        BindError: the address cannot be had.
    """

    def __init__(
        self,
        bind: str,
        *,
        insecure: bool = False,
        lossless: bool = False,
        high_water_mark: int = 64,
        session: bytes | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        utc: Callable[[], int] = time.time_ns,
        patience_s: float = 15.0,
        guard: Guard | None = None,
    ) -> None:
        if high_water_mark < 1:
            raise ValueError(f"high_water_mark is {high_water_mark}, it must be at least 1")
        if session is not None and len(session) != SESSION_BYTES:
            raise ValueError(f"session has {len(session)} bytes, it must have {SESSION_BYTES}")
        check_bind(bind, insecure=insecure, guarded=guard is not None)
        self.session: Final = session or secrets.token_bytes(SESSION_BYTES)
        self._clock = clock
        self._utc = utc
        self._sequences: defaultdict[str, dict[str, int]] = defaultdict(
            dict
        )  # by stream, then topic
        self._repeats = Repeats()
        self._outbox = Outbox(
            bind,
            high_water_mark=high_water_mark,
            lossless=lossless,
            patience_s=patience_s,
            guard=guard,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """The address in use, with the real port."""
        return self._outbox.endpoint

    def is_subscribed(self, topic: str) -> bool:
        """Whether anybody would receive what is sent under ``topic``, as of the last :meth:`service`."""
        return self._outbox.is_subscribed(topic)

    @property
    def subscriptions(self) -> int:
        """Topic prefixes subscribed to, summed over readers, as of the last :meth:`service`."""
        return self._outbox.subscriptions

    @property
    def given_up(self) -> int:
        """Messages for which a lossless publisher's patience ended; at least one reader lacks each."""
        return self._outbox.given_up

    def last_sequences(self, stream: str) -> dict[str, int]:
        """Topic to last sequence number for the topics of a stream that are written here.

        From the first :meth:`announce` on that includes embeddings and events, -1 while there are none.
        """
        sent = dict(self._sequences[stream])
        if f"model/{stream}/" not in sent:
            return sent  # a classifier: embeddings of the stream are another sender's
        return {f"embedding/{stream}/": -1, f"event/{stream}/": -1} | sent

    def announce(self, stream: str, **content: Unpack[ModelContent]) -> None:
        """Say what a stream's embeddings mean; before the first one, and after every change of model.

        Args: see :class:`~streamdeep.wire.kinds.ModelMessage`; all are needed.

        Raises:
            ValueError: a value that the protocol does not allow.
        """
        self._send_new(
            ModelMessage(**self._common(f"model/{stream}/", stream), **content),
            keep=True,
        )

    def publish_embedding(
        self,
        stream: str,
        embedding: Embedding,
        *,
        model: bytes,
        captured_monotonic_ns: int,
        stages_ns: Mapping[str, int],
        handed_over_monotonic_ns: int | None = None,
    ) -> None:
        """Send one embedding, under ``early/`` if it carries ``Flag.EARLY``.

        Args:
            stream: the stream's name.
            embedding: what the pipeline made.
            model: first 8 bytes of the model's SHA-256.
            captured_monotonic_ns: when its last sample was captured; 0 if unknown.
            stages_ns: time spent in ``capture resample frontend encoder``, as far as known;
                ``publish`` is measured here.
            handed_over_monotonic_ns: when the pipeline was done with it; now, if not given.

        Raises:
            ValueError: a value that the protocol does not allow, a vector that is not finite among them.
        """
        if unknown := stages_ns.keys() - set(STAGES):
            raise ValueError(f"unknown stages {sorted(unknown)}; there are {', '.join(STAGES)}")
        handed_over_ns = handed_over_monotonic_ns or self._clock()
        vector = np.ascontiguousarray(embedding.vector)
        kind = "early" if Flag.EARLY in embedding.flags else "embedding"
        common = self._common(f"{kind}/{stream}/", stream, flags=embedding.flags)
        now_ns = common["published_monotonic_ns"]
        # A capture time taken from a sound card's clock may lie a little in the future.
        latency_ns = max(0, now_ns - captured_monotonic_ns) if captured_monotonic_ns else 0
        stages = dict.fromkeys(STAGES, 0) | dict(stages_ns)
        stages["publish"] = max(0, now_ns - handed_over_ns)
        self._send_new(
            EmbeddingMessage(
                **common,
                epoch=int(embedding.epoch),
                start_sample=int(embedding.start_sample),
                n_samples=int(embedding.n_samples),
                sample_rate_hz=int(embedding.sample_rate_hz),
                captured_utc_ns=common["published_utc_ns"] - latency_ns,
                latency_ns=latency_ns,
                stages_ns={stage: int(stages[stage]) for stage in STAGES},
                gap_samples=int(embedding.gap_samples),
                model=model,
                level_dbfs=float(embedding.level_dbfs),
                peak_dbfs=float(embedding.peak_dbfs),
                vector=vector,
                novelty=embedding.novelty,
                gain_db=float(embedding.gain_db),
            )
        )

    def offer_frames(self, stream: str) -> None:
        """Say, in the stream's statuses, that frames can be had; before the first ones."""
        self._sequences[stream].setdefault(f"frames/{stream}/", -1)

    def publish_frames(
        self,
        stream: str,
        batch: Spectrogram,
        *,
        model: bytes,
        hop_samples: int,
        captured_monotonic_ns: int,
    ) -> None:
        """Send some frames; does nothing, and uses up no number, while nobody subscribes to them.

        Args:
            stream: the stream's name, see :meth:`offer_frames`.
            batch: the frames.
            model: first 8 bytes of the model's SHA-256.
            hop_samples: step between frames at the model's rate.
            captured_monotonic_ns: when the last frame's last sample was captured.

        Raises:
            ValueError: a value that the protocol does not allow.
        """
        topic = f"frames/{stream}/"
        if not self.is_subscribed(topic):
            return
        common = self._common(topic, stream)
        age_ns = max(0, common["published_monotonic_ns"] - captured_monotonic_ns)
        self._send_new(
            FramesMessage(
                **common,
                epoch=batch.epoch,
                start_sample=batch.start_sample,
                n_samples=batch.n_samples,
                sample_rate_hz=batch.sample_rate_hz,
                captured_utc_ns=common["published_utc_ns"] - age_ns,
                model=model,
                start_frame=batch.start_frame,
                hop_samples=hop_samples,
                low=batch.low_db,
                high=batch.high_db,
                levels=batch.levels,
            )
        )

    def publish_event(
        self,
        stream: str,
        event: str,
        *,
        epoch: int,
        at_sample: int,
        n_samples: int = 0,
        reason: str = "",
        estimated: bool = False,
    ) -> None:
        """Send an event.

        Args: see :class:`~streamdeep.wire.kinds.EventMessage`.

        Raises:
            ValueError: a value that the protocol does not allow.
        """
        self._send_new(
            EventMessage(
                **self._common(f"event/{stream}/", stream),
                event=event,
                epoch=epoch,
                at_sample=at_sample,
                n_samples=n_samples,
                reason=reason,
                estimated=estimated,
            )
        )

    def publish_status(
        self,
        stream: str,
        *,
        counters: Counters,
        clock: ClockPoint,
        uptime_s: float,
        live: bool,
        host: str | None = None,
    ) -> None:
        """Send a stream's status with the last sequence numbers; to be called once a second.

        Args: see :class:`~streamdeep.wire.kinds.StatusMessage`; ``host`` is this one if not given.

        Raises:
            ValueError: a value that the protocol does not allow.
        """
        sequences = self.last_sequences(stream)
        self._send_new(
            StatusMessage(
                **self._common(f"status/{stream}/", stream),
                sequences=sequences,
                counters=counters,
                clock=clock,
                host=this_host() if host is None else host,
                uptime_s=uptime_s,
                live=live,
            ),
            keep=True,
        )

    def publish_label(
        self,
        about: EmbeddingMessage,
        *,
        head: str,
        label: str,
        probabilities: Mapping[str, float],
        sounds: Sequence[Sound] | None = None,
        novelty_rate: float | None = None,
        novel: bool | None = None,
        drifting: bool | None = None,
    ) -> None:
        """Send what a head made of an embedding, under the embedding's stream; the last is repeated for joiners.

        Args:
            about: the embedding as it was received.
            head: the head's name.
            label: its decision.
            probabilities: label to probability.
            sounds: see :class:`~streamdeep.wire.kinds.LabelMessage`, also for what follows.
            novelty_rate: how rare the embedding's novelty is, which goes along.
            novel: what is heard is like nothing in the training.
            drifting: it has long been less and less so.

        Raises:
            ValueError: a value that the protocol does not allow.
        """
        flags = about.flags & ~Flag.REPEAT
        self._send_new(
            LabelMessage(
                **self._common(f"label/{about.stream}/{head}/", about.stream, flags=flags),
                head=head,
                epoch=about.epoch,
                start_sample=about.start_sample,
                n_samples=about.n_samples,
                sample_rate_hz=about.sample_rate_hz,
                captured_utc_ns=about.captured_utc_ns,
                model=about.model,
                label=label,
                probabilities={name: float(chance) for name, chance in probabilities.items()},
                sounds=None if sounds is None else tuple(sounds),
                novelty=about.novelty,
                novelty_rate=novelty_rate,
                novel=novel,
                drifting=drifting,
            ),
            keep=True,
        )

    def service(self) -> None:
        """Read who joined and left, and send the repeats that are due; never waits."""
        for prefix in self._outbox.joins():
            self._repeats.joined(prefix)
        now_ns = self._clock()
        for topic, message in self._repeats.due(now_ns=now_ns):
            again = replace(message, flags=message.flags | Flag.REPEAT)
            # If a reader of a lossless publisher is full, it stays due.
            if self._outbox.send_now(pack(again)):
                self._repeats.repeated(topic, now_ns=now_ns)

    def wait(self, timeout_s: float, wake: int | None = None) -> None:
        """Sleep until somebody joins or leaves, ``wake`` is readable, or a repeat is due.

        Args:
            timeout_s: at most this long.
            wake: a file descriptor; it is not read here.
        """
        due_ns = self._repeats.next_due_ns()
        if due_ns is not None:
            timeout_s = min(timeout_s, max(_RETRY_S, (due_ns - self._clock()) / 1e9))
        self._outbox.wait(timeout_s, wake)

    def stop_waiting(self) -> None:
        """From now on do not wait for slow readers, not even in :meth:`close`; from any thread."""
        self._outbox.stop_waiting()

    def close(self) -> None:
        """Close the socket, giving what is queued half a second to leave, lossless 30 s."""
        self._outbox.close()

    def _common(self, topic: str, stream: str, *, flags: Flag | None = None) -> dict[str, Any]:
        return {
            "stream": stream,
            "session": self.session,
            "sequence": self._sequences[stream].get(topic, -1) + 1,
            "published_utc_ns": self._utc(),
            "published_monotonic_ns": self._clock(),
            "flags": flags or Flag(0),
        }

    def _send_new(self, message: Message, *, keep: bool = False) -> None:
        # Packed first: a message that is refused uses up no sequence number.
        frames = pack(message)
        topic = frames[0].decode()
        self._sequences[message.stream][topic] = message.sequence
        self._outbox.send(frames)
        if keep:
            self._repeats.keep(topic, message, now_ns=message.published_monotonic_ns)
