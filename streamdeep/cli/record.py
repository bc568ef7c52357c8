"""``streamdeep record``: keep what a source says, to be embedded later as if it came then."""

import json
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from streamdeep.cli.completion import paces, sample_formats, sources
from streamdeep.cli.recorded import describe_recorded, recorded_as_dict, recorder_for
from streamdeep.cli.run import stop_on_signals
from streamdeep.cli.run_settings import settings_from
from streamdeep.cli.site import default_name

RING_S = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("record")(record)


def record(
    source: Annotated[
        str,
        typer.Argument(
            help="mic, mic:NAME, - for raw samples, a sound file.", autocompletion=sources
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder that recordings are put into.")],
    stream: Annotated[
        str | None, typer.Option(help="The stream's name. [default: host.source]")
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration-s", help="Stop after so many seconds of sound.")
    ] = None,
    keep_hours: Annotated[
        float | None, typer.Option(help="Delete what was recorded longer ago.")
    ] = None,
    keep_gb: Annotated[
        float | None, typer.Option(help="Delete the oldest recordings beyond so many gigabytes.")
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Rate of raw samples, or asked of a sound card, in Hz. [default: the embedded model's]"
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of raw samples or a sound card. [default: 1]")
    ] = None,
    sample_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            autocompletion=sample_formats,
            help="Raw samples: s16le or f32le. [default: s16le]",
        ),
    ] = None,
    block_size: Annotated[int | None, typer.Option(help="Samples per block.")] = None,
    pace: Annotated[
        str | None,
        typer.Option(
            autocompletion=paces, help="A file's pace: realtime or max. [default: realtime]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Record a source until it ends or Ctrl-C: sound, times and losses, as the engine would get them.

    Only you can read what is written. A full disk stops the recording, which goes on when there is room again.

    Example: streamdeep record mic --out recordings/
    Play it again with: streamdeep replay recordings/
    """
    from streamdeep.audio.ring import single_ring
    from streamdeep.intake.opening import open_source

    given = {
        "source": source, "stream": stream, "pace": pace, "block_size": block_size, "rate": rate,
        "format": sample_format, "channels": channels, "record": out, "keep_hours": keep_hours,
        "keep_gb": keep_gb,
    }  # fmt: skip
    settings = settings_from(None, given)
    opened = open_source(
        source,
        model_rate_hz=_model_rate_hz() if source.startswith("mic") and rate is None else rate or 0,
        pace=settings.pace,
        block_samples=settings.block_size,
        sample_format=settings.format,
        sample_rate_hz=settings.rate,
        n_channels=settings.channels,
    )
    name = settings.stream or default_name(opened)
    say = _Voice(as_json=as_json)
    recorder = recorder_for(out, keep_hours, keep_gb, note=say.note)
    rate_hz = opened.sample_rate_hz
    most_samples = None if duration is None else round(duration * rate_hz)
    with recorder:
        recorded = recorder.record(name, opened)
        wake, stopping = threading.Event(), list[bool]()
        ring = single_ring(RING_S * rate_hz, opened.n_channels, rate_hz, wake=wake.set)
        # Nothing with a lock: a handler runs in the middle of whatever this thread does.
        stop_on_signals(lambda: stopping.append(True))
        say.note("ready", f"recording {name} into {out} at {rate_hz} Hz; Ctrl-C ends it")
        recorded.start(ring)
        n_samples = 0
        try:
            while not (stopping or ring.ended):
                wake.wait(0.1)
                wake.clear()
                while (block := ring.read(rate_hz)) is not None:
                    n_samples += len(block.samples)
                    say.level(block.samples, n_samples / rate_hz)
                if most_samples is not None and n_samples >= most_samples:
                    break
        finally:
            recorded.stop()
            ring.close()
    (result,) = recorder.results()
    say.end(describe_recorded(result), recorded_as_dict(result))
    if ring.error is not None:
        raise ring.error


def _model_rate_hz() -> int:
    """What an engine would ask a sound card for first."""
    from streamdeep.encoder.model import load_model

    return load_model(None).contract.frontend.sample_rate_hz


class _Voice:
    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("waiting for sound")
        self._next_s = 0.0
        self._peak = 0.0

    def _line(self, **fields: Any) -> None:
        typer.echo(json.dumps({"time_utc_ns": time.time_ns(), **fields}))

    def note(self, event: str, message: str) -> None:
        if self._json:
            self._line(event=event, message=message)
        else:
            self._console.print(message, soft_wrap=True, markup=False)
            if event == "ready" and self._console.is_terminal:
                self._status.start()

    def level(self, samples: NDArray[np.float32], seconds: float) -> None:
        """Show that there is sound, a few times a second."""
        self._peak = max(self._peak, float(np.nanmax(np.abs(samples), initial=0.0)))
        if not self._json and self._console.is_terminal and time.monotonic() >= self._next_s:
            peak_dbfs = 20 * np.log10(max(self._peak, 1e-10))
            self._status.update(f"{seconds:,.1f} s of sound, peak {peak_dbfs:.0f} dBFS")
            self._next_s, self._peak = time.monotonic() + 0.25, 0.0

    def end(self, message: str, fields: dict[str, Any]) -> None:
        self._status.stop()
        if self._json:
            self._line(event="recorded", **fields)
        else:
            self._console.print(message, soft_wrap=True, markup=False)
