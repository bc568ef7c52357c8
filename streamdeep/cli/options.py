"""Options that several commands have, each said once; what only one command has stands there."""

from pathlib import Path
from typing import Annotated

import typer

from streamdeep.wire.security import DEFAULT_ENDPOINT

Connect = Annotated[
    list[str] | None,
    typer.Option(
        envvar="STREAMDEEP_CONNECT",
        help=f"Where an engine, a hub or a classifier publishes; repeatable. [default: {DEFAULT_ENDPOINT}]",
    ),
]
Identity = Annotated[
    Path | None,
    typer.Option(
        envvar="STREAMDEEP_IDENTITY",
        help="Our .key_secret, for an engine that encrypts: --connect ADDRESS?server-key=FILE.",
    ),
]
OnlyStreams = Annotated[list[str] | None, typer.Option("--stream", help="Only these streams.")]
ModelFile = Annotated[
    Path | None,
    typer.Option("--model", envvar="STREAMDEEP_MODEL", help="Model file. [default: the embedded]"),
]
HeadFile = Annotated[
    Path | None,
    typer.Option("--head", envvar="STREAMDEEP_HEAD", help="Head file. [default: the embedded]"),
]
HopSeconds = Annotated[
    float | None,
    typer.Option("--hop-s", help="Seconds between segments. [default: the model's]"),
]


def addresses(connect: list[str] | None) -> list[str]:
    """Where to listen to engines and classifiers."""
    return connect or [DEFAULT_ENDPOINT]
