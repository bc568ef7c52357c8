"""Streams that come by themselves: what senders ship becomes streams of the engine, while it runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from streamdeep.cli.run_settings import RunSettings
from streamdeep.cli.site import RINGS_BYTES
from streamdeep.errors import ConfigurationError

if TYPE_CHECKING:
    from streamdeep.audio.source import Source
    from streamdeep.engine import Engine
    from streamdeep.intake.reception import ReceptionStatistics
    from streamdeep.intake.remote import RemoteSource
    from streamdeep.recording.recorder import Recorder
    from streamdeep.recording.track import Recorded
    from streamdeep.wire.gate import Guard


class Arrivals:
    """Takes sound in, from :meth:`start` until it is left as a context; nothing where the settings do not ask for it.

    Args:
        settings: with ``audio_in`` or without.
        guard: encrypt, and let in only those whom it allows.
        recorder: records every stream that comes, if there is one.
        recorded: told what became of each recording when its stream has ended.

    Attributes:
        endpoint: where senders connect to; None if nothing is taken in.

    Raises:
        ConfigurationError: the address is malformed, or not local and neither ``insecure`` nor guarded.
        BindError: the address cannot be had.
    """

    def __init__(
        self,
        settings: RunSettings,
        *,
        guard: "Guard | None" = None,
        recorder: "Recorder | None" = None,
        recorded: "Callable[[Recorded], None]" = lambda _: None,
    ) -> None:
        self._recorder = recorder
        self._recorded = recorded
        self._here: set[str] = set()  # streams that came and have not ended
        self._audio_in = None
        self.endpoint: str | None = None
        if settings.audio_in is None:
            return
        from streamdeep.intake.reception import Limits
        from streamdeep.intake.zeromq import AudioIn

        wanted = settings.audio_in
        self._gain_db = (settings.gain_db if wanted.gain_db is None else wanted.gain_db) or 0.0
        self._ring_bytes = RINGS_BYTES / wanted.most_streams
        self._audio_in = AudioIn(
            wanted.bind,
            insecure=settings.insecure,
            limits=Limits(most_streams=wanted.most_streams, silent_s=wanted.silent_s),
            admit=self._admit,
            guard=guard,
        )
        self.endpoint = self._audio_in.endpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        # Each sender is told what the engine has of its sound.
        if self._audio_in is not None:
            self._audio_in.close()

    def start(self, engine: "Engine") -> None:
        """Begin to take sound in, and to add its streams to an engine."""
        self._engine = engine
        if self._audio_in is not None:
            self._audio_in.start()

    @property
    def statistics(self) -> "ReceptionStatistics | None":
        """What happened to the messages; None if nothing is taken in."""
        return None if self._audio_in is None else self._audio_in.statistics

    def _admit(self, name: str, source: "RemoteSource") -> None:
        self._engine.post(lambda: self._add(name, source))

    def _add(self, name: str, source: "RemoteSource") -> None:
        if self._engine.stopping:
            return  # its sender is told where to begin with the next engine
        for stream in self._engine.streams:
            if stream.name == name and not stream.ended:
                if name in self._here:
                    # It ends, and has yet to publish its last.
                    self._engine.post(lambda: self._add(name, source))
                else:
                    source.turn_away(f"this engine has a source of its own called {name!r}")
                return
        bytes_per_s = 4 * source.n_channels * source.sample_rate_hz
        heard: Source = source
        if self._recorder is not None:
            heard = self._recorder.record(
                name, source, gain_db=self._gain_db, on_end=self._recorded
            )
        try:
            self._engine.add(
                name,
                heard,
                ring_s=min(10.0, max(1.0, self._ring_bytes / bytes_per_s)),
                gain_db=self._gain_db,
                offline=not source.live,
                on_end=lambda: self._end(name, source),
            )
        except ConfigurationError as error:
            source.turn_away(str(error))
            heard.stop()
        else:
            self._here.add(name)

    def _end(self, name: str, source: "RemoteSource") -> None:
        self._here.discard(name)
        source.end()
