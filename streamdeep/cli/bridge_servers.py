"""``streamdeep bridge websocket | prometheus``: servers of messages for browsers, of metrics for Prometheus."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamdeep.cli.bridge_options import AsJson, Hosts, Insecure, TokenFile, Voice, stop_on_signals
from streamdeep.cli.options import Connect, OnlyStreams, addresses
from streamdeep.errors import ConfigurationError

if TYPE_CHECKING:
    from streamdeep.bridges.access import Access, Bind


def websocket(
    bind: Annotated[str, typer.Option(help="Where to serve.")] = "127.0.0.1:8080",
    connect: Connect = None,
    stream: OnlyStreams = None,
    token_file: TokenFile = None,
    host: Hosts = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Pages of this origin may connect, like https://house.example; repeatable."
        ),
    ] = None,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Serve messages to browsers as JSON, over WebSocket and as lines over HTTP.

    Example: streamdeep bridge websocket --bind 127.0.0.1:8080
    Then: curl -N 'http://127.0.0.1:8080/lines?kinds=label,event'
    """
    from streamdeep.bridges.websocket import WebSocketBridge
    from streamdeep.wire.subscriber import Subscriber
    from streamdeep.wire.topics import KINDS

    door = _Door(bind, token_file=token_file, hosts=host, origins=origin, insecure=insecure)
    say = Voice(as_json=as_json)
    with (
        Subscriber(addresses(connect), streams=stream or (), kinds=KINDS) as subscriber,
        door.open() as (listener, bound, access),
    ):
        bridge = WebSocketBridge(subscriber, listener, access)
        stop_on_signals(bridge.stop)
        say.note("ready", f"serving ws://{bound}/ and http://{bound}/lines", address=str(bound))
        bridge.run()


def prometheus(
    bind: Annotated[str, typer.Option(help="Where to serve /metrics.")] = "127.0.0.1:9400",
    connect: Connect = None,
    stream: OnlyStreams = None,
    token_file: TokenFile = None,
    host: Hosts = None,
    forget_after: Annotated[
        float,
        typer.Option("--forget-after-s", help="Leave out streams that are offline for so long."),
    ] = 3600.0,
    series_most: Annotated[
        int, typer.Option(help="Time series; streams beyond are ignored and counted.")
    ] = 10_000,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Serve what the engine counts, and what was lost on the wire, as Prometheus metrics.

    Example: streamdeep bridge prometheus --bind 127.0.0.1:9400
    """
    from streamdeep.bridges.prometheus_bridge import PrometheusBridge
    from streamdeep.wire.subscriber import Subscriber

    if not 10 <= forget_after <= 1e7:
        raise ConfigurationError(
            f"--forget-after-s {forget_after:g} must be between 10 and 10000000"
        )
    if not 100 <= series_most <= 1_000_000:
        raise ConfigurationError(f"--series-most {series_most} must be between 100 and 1000000")
    door = _Door(bind, token_file=token_file, hosts=host, insecure=insecure)
    say = Voice(as_json=as_json)
    kinds = ("embedding", "event", "status", "label")
    with (
        Subscriber(addresses(connect), streams=stream or (), kinds=kinds) as subscriber,
        door.open() as (listener, bound, access),
    ):
        bridge = PrometheusBridge(
            subscriber, listener, access, forget_after_s=forget_after, series_most=series_most
        )
        stop_on_signals(bridge.stop)
        say.note("ready", f"serving http://{bound}/metrics", address=str(bound))
        bridge.run()


class _Door:
    """Where a server listens and to whom it answers, from the options.

    Raises:
        ConfigurationError: an option is wrong, or other machines could connect and nobody said that they may.
    """

    def __init__(
        self,
        bind: str,
        *,
        token_file: Path | None,
        hosts: list[str] | None,
        origins: list[str] | None = None,
        insecure: bool,
    ) -> None:
        from streamdeep.bridges.access import bind_from
        from streamdeep.bridges.broker import read_secret

        self._hosts, self._origins = hosts or [], origins or []
        self._token = None if token_file is None else read_secret(token_file)
        advice = "give a --token-file, or pass --insecure to serve whoever asks; both in clear text"
        self._bind = bind_from(bind, guarded=insecure or token_file is not None, advice=advice)

    @contextmanager
    def open(self) -> Iterator[tuple[socket.socket, "Bind", "Access"]]:
        from streamdeep.bridges.access import Access

        listener, bound = self._bind.open()
        with listener:
            yield (
                listener,
                bound,
                Access(bound, hosts=self._hosts, origins=self._origins, token=self._token),
            )
