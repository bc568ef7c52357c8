"""``streamdeep devices``: the sound cards that ``run mic`` can take."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("devices")(devices)


def devices(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the microphones.

    Example: streamdeep devices
    """
    from streamdeep.audio.portaudio import input_devices

    found = input_devices()
    if as_json:
        typer.echo(json.dumps([asdict(device) for device in found]))
        return
    if not found:
        typer.echo("no input device; is a microphone plugged in and a sound server running?")
        return
    table = Table()
    for column in ("use", "name", "sound system", "channels", "rate", ""):
        table.add_column(column)
    for device in found:
        table.add_row(
            f"mic:{device.index}",
            device.name,
            device.host_api,
            str(device.n_channels),
            f"{device.sample_rate_hz} Hz",
            "default" if device.default else "",
        )
    Console().print(table)
