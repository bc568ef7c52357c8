"""``streamdeep keys``: a pair of keys, for engines that encrypt and those who may listen and send to them."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("keys")(keys)


def keys(
    name: Annotated[
        Path, typer.Argument(help="What to call them; a folder may stand before the name.")
    ],
) -> None:
    """Make a pair of keys: NAME.key to give away, NAME.key_secret to keep.

    Engine: run --identity engine.key_secret --allow FOLDER, with the .key files of listeners and senders in it.
    Listener, sender: --connect tcp://host:5757?server-key=engine.key --identity me.key_secret.

    Example: streamdeep keys me
    """
    from streamdeep.wire.keys import create_identity

    public, secret = create_identity(name)
    typer.echo(f"{public}: public, give it to those who should know you")
    typer.echo(f"{secret}: secret, keep it here")
