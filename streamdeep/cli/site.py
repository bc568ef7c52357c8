"""The sources that a configuration names, kept in step with it while the engine runs."""

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from streamdeep.cli.run_settings import RunSettings, SourceSettings
from streamdeep.errors import StreamdeepError

if TYPE_CHECKING:
    from streamdeep.audio.source import Source
    from streamdeep.engine import Engine
    from streamdeep.recording.recorder import Recorder
    from streamdeep.stream import Stream

RINGS_BYTES = 64_000_000
"""What waiting sound may take in memory, over all streams; each has 1 to 10 s."""


class Site:
    """Opens sources, and opens and closes more of them when the configuration was changed.

    Args:
        settings: as they are now.
        read: reads them again.
        model_rate_hz: what sound cards are asked for first.
        note: told what became of a reload, and what happens to sources.
        recorder: records every source, if there is one.

    Raises:
        StreamdeepError: a source cannot be had.
    """

    def __init__(
        self,
        settings: RunSettings,
        read: Callable[[], RunSettings],
        *,
        model_rate_hz: int,
        note: Callable[[str, str], None],
        recorder: "Recorder | None" = None,
    ) -> None:
        self._settings = settings
        self._read = read
        self._model_rate_hz = model_rate_hz
        self._note = note
        self._recorder = recorder
        self._opened = [(found, self._open(found)) for found in settings.sources]
        self._running: dict[SourceSettings, Stream] = {}
        self._reloading = threading.Lock()

    @property
    def ring_s(self) -> float:
        """How much of each source's sound may wait."""
        bytes_per_s = sum(4 * found.n_channels * found.sample_rate_hz for _, found in self._opened)
        if not bytes_per_s:
            return 10.0
        return min(10.0, max(1.0, RINGS_BYTES / bytes_per_s))

    def start(self, engine: "Engine") -> None:
        """Add all sources to an engine that does not run yet."""
        self._engine = engine
        for settings, source in self._opened:
            self._add(settings, source)

    def reload_soon(self) -> None:
        """Read the configuration again; from a signal handler. Opening sources holds nobody up."""
        threading.Thread(target=self._reload, name="reload", daemon=True).start()

    def _reload(self) -> None:
        with self._reloading:
            try:
                settings = self._read()
            except StreamdeepError as error:
                self._note("reload", f"nothing was changed: {error}")
                return
            shared = set(RunSettings.model_fields) - {"streams", *SourceSettings.model_fields}
            changed = [
                key
                for key in sorted(shared)
                if getattr(settings, key) != getattr(self._settings, key)
            ]
            if changed:
                self._note("reload", f"{', '.join(changed)}: a change needs a restart")
            wanted = set(settings.sources)
            opened = []
            for found in settings.sources:
                if found in self._running and not self._running[found].ended:
                    continue
                try:
                    opened.append((found, self._open(found)))
                except StreamdeepError as error:
                    self._note("reload", str(error))
            gone = [found for found in self._running if found not in wanted]
            for found in gone:
                self._running.pop(found).stop()
            for found, source in opened:
                self._engine.post(lambda found=found, source=source: self._add_late(found, source))  # type: ignore[misc]
            self._note("reload", f"{len(opened)} sources begin, {len(gone)} end")

    def _add_late(self, settings: SourceSettings, source: "Source") -> None:
        name = settings.stream or default_name(source)
        if any(stream.name == name and not stream.ended for stream in self._engine.streams):
            if name in (stream.name for stream in self._running.values()):
                self._note(
                    "reload", f"two streams are called {name!r}; give each a name of its own"
                )
                source.stop()
                return
            # The one that ends has yet to publish its last.
            self._engine.post(lambda: self._add_late(settings, source))
            return
        self._add(settings, source)

    def _add(self, settings: SourceSettings, source: "Source") -> None:
        from streamdeep.recording.replay import RecordingSource

        name = settings.stream or default_name(source)
        first_sample, gain_db = 0, settings.gain_db
        if isinstance(source, RecordingSource):
            first_sample = source.first_sample
            gain_db = source.gain_db if gain_db is None else gain_db
        gain_db = gain_db or 0.0
        heard: Source = source
        if self._recorder is not None:
            heard = self._recorder.record(name, source, gain_db=gain_db)
        self._running[settings] = self._engine.add(
            name, heard, first_sample=first_sample, gain_db=gain_db
        )

    def _open(self, found: SourceSettings) -> "Source":
        from streamdeep.intake.opening import open_source

        return open_source(
            found.source,
            model_rate_hz=self._model_rate_hz,
            pace=self._settings.pace,
            block_samples=found.block_size,
            sample_format=found.format,
            sample_rate_hz=found.rate,
            n_channels=found.channels,
            insecure=self._settings.insecure,
            select=found.select or (),
            note=self._note,
        )


def default_name(source: "Source") -> str:
    """What a stream is called that nobody named: host and source."""
    from streamdeep.wire.topics import stream_name

    return stream_name(f"{socket.gethostname().split('.')[0]}.{source.name}")
