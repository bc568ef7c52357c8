"""``streamdeep bridge``: the wire for MQTT and Home Assistant, for browsers, for Prometheus."""

import typer

from streamdeep.cli.bridge_mqtt import mqtt
from streamdeep.cli.bridge_servers import prometheus, websocket


def register(app: typer.Typer) -> None:
    """Add the commands."""
    bridges = typer.Typer(
        help="Carry the wire to programs that do not speak it (docs/bridges.md).",
        no_args_is_help=True,
    )
    for command in (mqtt, websocket, prometheus):
        bridges.command()(command)
    app.add_typer(bridges, name="bridge")
