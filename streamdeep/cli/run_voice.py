"""What ``streamdeep run`` says while it runs and when it ends. Not here: what it does (``run``)."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from streamdeep.cli.ledgers import as_dict, show_ledger, show_ledgers
from streamdeep.cli.recorded import describe_recorded, recorded_as_dict
from streamdeep.records import Ledger

if TYPE_CHECKING:
    from streamdeep.intake.reception import ReceptionStatistics
    from streamdeep.recording.track import Recorded


class Voice:
    """Sentences on standard error, or JSON lines on standard output.

    Args:
        as_json: JSON lines.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(stderr=True, highlight=False)

    def _line(self, **fields: object) -> None:
        typer.echo(json.dumps({"time_utc_ns": time.time_ns(), **fields}))

    def ready(
        self, endpoint: str, streams: list[str], model: str, digest: str, audio_in: str | None
    ) -> None:
        """Streams are about to begin."""
        if self._json:
            first = {"stream": streams[0]} if streams else {}
            also = {"audio_in": audio_in} if audio_in else {}
            self._line(
                event="ready", endpoint=endpoint, **first, streams=streams, model=model, digest=digest,
                **also,
            )  # fmt: skip
            return
        more = f" and {len(streams) - 1} more" if len(streams) > 1 else ""
        what = streams[0] if streams else "what is sent here"
        self._console.print(
            f"publishing [bold]{what}[/]{more} on [bold]{endpoint}[/] with {model} ({digest[:16]})"
        )
        if audio_in:
            self._console.print(f"send sound with: streamdeep send mic --connect {audio_in}")
        self._console.print("listen with: streamdeep classify --connect " + endpoint)

    def note(self, event: str, message: str) -> None:
        """Something worth a word happened; from any thread."""
        if self._json:
            self._line(event=event, message=message)
        else:
            self._console.print(message)

    def arrivals(self, statistics: "ReceptionStatistics | None") -> None:
        """What came of sound that was sent here; nothing if none is taken in."""
        if statistics is None:
            return
        counts: dict[str, Any] = asdict(statistics)
        if self._json:
            self._line(event="audio_in", **counts)
            return
        turned_away = counts.pop("refused") | counts.pop("bad")
        told = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items()]
        told += [f"{count} refused: {word}" for word, count in turned_away.items()]
        self._console.print(f"sent here: {', '.join(told)}")

    def recorded(self, results: "Iterable[Recorded]") -> None:
        """What became of recordings; from any thread."""
        for result in results:
            if self._json:
                self._line(event="recorded", **recorded_as_dict(result))
            else:
                self._console.print(describe_recorded(result), soft_wrap=True)

    def ledgers(self, ledgers: dict[str, Ledger]) -> None:
        """Where all samples are, by stream."""
        if self._json:
            for name, ledger in ledgers.items():
                self._line(event="ledger", stream=name, **as_dict(ledger))
        elif len(ledgers) == 1:
            for name, ledger in ledgers.items():
                show_ledger(self._console, name, ledger)
        else:
            show_ledgers(self._console, ledgers)
