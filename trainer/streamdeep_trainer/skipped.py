"""Clips that cannot be used: why, and how every command tells of them.

One file of thousands ends nothing; each is named once on standard error, and a command that had to do
without some ends with 66, when its work is done.
"""

from collections.abc import Iterable
from pathlib import Path

import typer

from streamdeep.errors import SourceError, StreamdeepError

UNUSABLE = (StreamdeepError, OSError)
"""What one clip may raise without ending the others' run."""


def reason_of(path: Path, error: Exception) -> str:
    """Why a clip cannot be used, with its path."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"


class Skipped:
    """What one command had to do without; call it with filenames and reasons, as often as they are met."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def __call__(self, skipped: Iterable[tuple[str, str]]) -> None:
        """Name those that were not named before."""
        for name, reason in skipped:
            if name not in self._reasons:
                self._reasons[name] = reason
                typer.echo(f"skipped {name}: {reason}", err=True)

    @property
    def clips(self) -> list[tuple[str, str]]:
        """Filename and reason of each, in the order in which they were met."""
        return list(self._reasons.items())

    def end(self) -> None:
        """End with 66 if there are any; called when the work is done."""
        if self._reasons:
            raise typer.Exit(SourceError.exit_code)
