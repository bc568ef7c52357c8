"""Who may connect to a server here: where it listens, and which Host, Origin and token it answers to.

Pure text checks. A page on any web site can have a browser connect to this machine. Such a request names the
site's own host, though the name may meanwhile resolve to us (DNS rebinding), or the site as its origin: so both
must be ones that we know. Not here: the servers.
"""

import errno
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streamdeep.errors import BindError, ConfigurationError

_BIND: Final = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]/\s]+):(?P<port>[0-9]{1,5})")
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Bind:
    """Where to listen.

    Attributes:
        host: an address, without brackets.
        port: 0 for any free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def open(self) -> tuple[socket.socket, "Bind"]:
        """A listening socket, and where it listens, with the real port.

        Raises:
            BindError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server((self.host, self.port), family=family, backlog=128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BindError(
                    f"{self} is in use: stop the program that has it, or choose another --bind"
                ) from error
            raise BindError(f"cannot listen on {self}: {error.strerror or error}") from error
        return listener, Bind(self.host, listener.getsockname()[1])


def bind_from(text: str, *, guarded: bool, advice: str) -> Bind:
    """Where to listen; on this machine only, unless somebody answers for more.

    Args:
        text: ``address:port``; an IPv6 address in brackets.
        guarded: other machines may reach it: a token is asked for, or the user said so.
        advice: what to do if not, for the error.

    Raises:
        ConfigurationError: malformed, or reachable from other machines and not guarded.
    """
    parts = _BIND.fullmatch(text)
    host = "" if parts is None else parts["host"].strip("[]")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if parts is None or address is None or int(parts["port"]) > 65535:
        raise ConfigurationError(f"--bind {text!r} must be like 127.0.0.1:8080 or [::1]:8080")
    if not address.is_loopback and not guarded:
        raise ConfigurationError(
            f"refusing --bind {text!r}: other machines could connect; {advice}"
        )
    return Bind(host, int(parts["port"]))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        status: of HTTP.
        text: for people.
    """

    status: int
    text: str


class Access:
    """What a request must bring.

    Args:
        bind: where the server listens, with the real port.
        hosts: further names under which clients know it, with or without a port.
        origins: further origins whose pages may connect, like ``https://house.example``; ``null`` are files.
        token: what must be presented; None: nothing.
    """

    def __init__(
        self,
        bind: Bind,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        token: str | None = None,
    ) -> None:
        own = {f"{name}:{bind.port}" for name in _LOOPBACK_NAMES} | {str(bind)}
        given = {host.lower() for host in hosts}
        self._hosts = own | given | {f"{host}:{bind.port}" for host in given if not _has_port(host)}
        if bind.port == 80:
            self._hosts |= {host.removesuffix(":80") for host in self._hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        self._token = token

    def refuse(
        self,
        *,
        host: str | None,
        origin: str | None = None,
        authorization: str | None = None,
        token: str | None = None,
    ) -> Refusal | None:
        """Why a request is refused; None if it is not.

        Args:
            host: its header ``Host``.
            origin: its header ``Origin``; programs other than browsers send none.
            authorization: its header ``Authorization``.
            token: from its query, since a browser's WebSocket sends no headers of a page's choice.
        """
        if host is None or host.lower() not in self._hosts:
            return Refusal(421, "this server is not known under that name; see --host")
        if origin is not None and not self._may_come_from(origin.lower()):
            return Refusal(403, "pages of that origin may not connect; see --origin")
        if self._token is not None:
            bearer = (authorization or "").partition(" ")
            given = bearer[2].strip() if bearer[0].lower() == "bearer" else token or ""
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return Refusal(401, "a token is needed: Authorization: Bearer ..., or ?token=...")
        return None

    def _may_come_from(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc in self._hosts


def _has_port(host: str) -> bool:
    return re.search(r":[0-9]+$", host) is not None and not host.endswith("]")
