"""``streamdeep bridge mqtt``: labels, events and statuses to an MQTT broker and to Home Assistant."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamdeep.cli.bridge_options import AsJson, Voice, stop_on_signals
from streamdeep.cli.options import Connect, OnlyStreams, addresses
from streamdeep.errors import ConfigurationError

if TYPE_CHECKING:
    from streamdeep.wire.tally import SubscriberStatistics


def mqtt(
    broker: Annotated[
        str,
        typer.Option(
            envvar="STREAMDEEP_BROKER", help="Like mqtt://user@host:1883; mqtts:// encrypts."
        ),
    ] = "mqtt://127.0.0.1:1883",
    connect: Connect = None,
    stream: OnlyStreams = None,
    password_file: Annotated[
        Path | None, typer.Option(help="Holds the password; mode 0600.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt, and check the certificate.")] = False,
    ca: Annotated[Path | None, typer.Option(help="Certificates to trust; implies --tls.")] = None,
    prefix: Annotated[str, typer.Option(help="Of all topics; one bridge each.")] = "streamdeep",
    discovery_prefix: Annotated[str, typer.Option(help="Home Assistant's.")] = "homeassistant",
    discovery: Annotated[
        bool, typer.Option("--discovery/--no-discovery", help="Tell Home Assistant.")
    ] = True,
    every: Annotated[
        float,
        typer.Option("--every-s", help="Statuses and unchanged labels at most so often; 0: all."),
    ] = 10.0,
    embeddings: Annotated[
        str, typer.Option(help="off, raw (little-endian float32) or json.")
    ] = "off",
    remove: Annotated[
        list[str] | None,
        typer.Option(help="Take back what the broker retains of this stream, and end; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Publish labels, events and statuses to an MQTT broker; Home Assistant finds them by itself.

    Example: streamdeep bridge mqtt --broker mqtt://house@127.0.0.1 --password-file ~/.mqtt-password
    """
    from streamdeep.bridges.broker import broker_from, check_prefix
    from streamdeep.bridges.mqtt_bridge import MqttBridge
    from streamdeep.bridges.mqtt_removal import remove as take_back
    from streamdeep.bridges.publications import Layout
    from streamdeep.wire.subscriber import Subscriber

    check_prefix("--prefix", prefix)
    check_prefix("--discovery-prefix", discovery_prefix)
    _check_names("--remove", remove or [])
    if not 0 <= every <= 3600:
        raise ConfigurationError(f"--every-s {every:g} must be between 0 and 3600")
    target = broker_from(broker, password_file=password_file, tls=tls, ca=ca)
    layout = Layout(
        prefix=prefix,
        discovery_prefix=discovery_prefix if discovery else "",
        every_s=every,
        embeddings=_embedding_form(embeddings),
    )
    say = Voice(as_json=as_json)
    if remove:
        n_removed = take_back(target, layout, remove)
        say.note("removed", f"{n_removed} retained topics were taken back", topics=n_removed)
        return
    if target.password is not None and not target.tls:
        say.note("clear-text", f"the password goes to {target} in clear text; mqtts:// encrypts")
    kinds = ("embedding", "event", "status", "model", "label")
    with Subscriber(addresses(connect), streams=stream or (), kinds=kinds) as subscriber:
        bridge = MqttBridge(subscriber, target, layout, note=say.note)
        stop_on_signals(bridge.stop)
        try:
            bridge.run()
        finally:
            _tell(say, bridge.ledger(), subscriber.statistics())


def _tell(say: Voice, ledger: dict[str, int], wire: "SubscriberStatistics") -> None:
    """Where all messages and publications are at the end."""
    left = ledger["waiting"] + ledger["unconfirmed"]
    say.note(
        "ledger",
        f"{ledger['taken']} publications = {ledger['confirmed']} confirmed + {ledger['superseded']} superseded + "
        f"{ledger['given_up']} given up + {left} left; {wire.lost} messages were lost on the way to the bridge",
        **ledger,
        topics={
            topic: {
                "received": found.received,
                "lost": found.lost,
                "before_join": found.before_join,
            }
            for topic, found in wire.topics.items()
        },
    )


def _embedding_form(text: str) -> Literal["off", "raw", "json"]:
    match text:
        case "off" | "raw" | "json":
            return text
    raise ConfigurationError(f"--embeddings {text!r} must be off, raw or json")


def _check_names(option: str, names: list[str]) -> None:
    from streamdeep.wire.topics import is_name

    for name in names:
        if not is_name(name):
            raise ConfigurationError(
                f"{option}: {name!r} is no stream name: small letters, digits and _ . - only, at most 64"
            )
