"""What the shell offers where no option can tell: words; files and folders it knows itself."""

import os
from collections.abc import Callable


def words_of(*words: str) -> Callable[[str], list[str]]:
    """Offer these words; with anything else begun, or nothing, the shell offers files."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)] if incomplete else []

    return complete


def choice_of(*words: str) -> Callable[[str], list[str]]:
    """Offer these words and nothing else."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


sources = words_of("mic", "tcp-listen://", "http://", "https://", "rtsp://", "rtmp://", "udp://")
paces = choice_of("realtime", "max")
gains = choice_of("auto")
sample_formats = choice_of("s16le", "f32le")


def command_line() -> list[str]:
    """The words of the line that a shell asks to have completed; empty if none asks.

    The last word is not among them: it may be going to be another one.
    """
    if not any(name.endswith("_COMPLETE") for name in os.environ):
        return []
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")
    words = line.split()
    if "COMP_CWORD" in os.environ:
        return words[: int(os.environ["COMP_CWORD"])]
    return words if line.endswith(" ") else words[:-1]
