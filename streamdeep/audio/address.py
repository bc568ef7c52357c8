"""Addresses of network sound: which are taken, what FFmpeg may do for each, and how they are shown.

Pure text, before anything is opened. A scheme brings the list of protocols that FFmpeg may use on its way, so
that no playlist and no redirection reaches a file of this machine. User names, passwords and queries are never
shown. Not here: opening (``decoding``), and raw PCM from whoever connects (``listen``).
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from streamdeep.errors import ConfigurationError

MOST_CHARACTERS: Final = 2048
_WEB: Final = "http,https,httpproxy,tcp,tls,crypto"
PROTOCOLS: Final = {
    "http": _WEB,
    "https": _WEB,
    "rtsp": "rtsp,tcp",
    "rtsps": "rtsps,tls,tcp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "udp": "udp",
    "rtp": "rtp,udp",
}
"""What FFmpeg may open on the way, for each scheme."""
LISTENING: Final = ("udp", "rtp")
"""Schemes whose host is an address of this machine (or a group) at which sound is awaited."""
SOCKET_BYTES: Final = 1_000_000
_OPTIONS: Final = {
    # What broke off goes on at the byte where it was, if the server can do that.
    "http": {"user_agent": "streamdeep", "reconnect": "1", "reconnect_delay_max": "8"},
    # One connection through firewalls, and nothing lost on the way.
    "rtsp": {"user_agent": "streamdeep", "rtsp_transport": "tcp"},
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Address:
    """A network address that may be opened.

    Attributes:
        scheme: in lower case.
        url: what FFmpeg opens, credentials included.
        shown: for people: no user name, no password, no query.
        name: for the stream's default name.
    """

    scheme: str
    url: str = field(repr=False)
    shown: str
    name: str

    @property
    def protocols(self) -> str:
        """FFmpeg's protocol allow-list."""
        return PROTOCOLS[self.scheme]

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's options."""
        kind = {"https": "http", "rtsps": "rtsp"}.get(self.scheme, self.scheme)
        return dict(_OPTIONS.get(kind, {}))

    @property
    def connected(self) -> bool:
        """Whether there is a server to connect to, and not only packets to wait for."""
        return self.scheme not in LISTENING


def scheme_of(place: str) -> str | None:
    """The scheme of ``scheme://...`` in lower case, or None."""
    found = _SCHEME.match(place)
    return found[1].lower() if found else None


def parse_address(url: str, *, insecure: bool = False) -> Address:
    """Take an address apart.

    Args:
        url: what a user typed.
        insecure: ``udp`` and ``rtp`` may listen where other machines can send.

    Raises:
        ConfigurationError: not of a scheme that is taken, malformed, or a listening address that others reach.
    """
    parts = split(url, tuple(PROTOCOLS))
    scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    if scheme in LISTENING:
        check_listening(scheme, host, port, insecure=insecure)
        if parts.query:
            raise ConfigurationError(f"{shown(parts)} takes no options; leave out the `?...`")
        url = _listening_url(scheme, host, port)
    elif not host:
        raise ConfigurationError(f"{scheme}:// needs a host: {scheme}://HOST/PATH")
    return Address(scheme, url, shown(parts), _name(parts))


def split(url: str, schemes: tuple[str, ...]) -> SplitResult:
    """Take a URL of one of these schemes apart; what it shows on failure holds no part of it but the scheme.

    Raises:
        ConfigurationError: malformed, or of another scheme.
    """
    scheme = scheme_of(url)
    if scheme not in schemes:
        raise ConfigurationError(
            f"sound is not taken from {scheme}://; taken are {', '.join(schemes)} and tcp-listen"
        )
    if len(url) > MOST_CHARACTERS:
        raise ConfigurationError(
            f"the {scheme}:// address has {len(url)} characters; at most {MOST_CHARACTERS} are taken"
        )
    if not url.isascii() or not url.isprintable() or any(sign in url for sign in " \\<>|"):
        raise ConfigurationError(
            f"the {scheme}:// address holds a character that must be percent-encoded there"
        )
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is none
    except ValueError:
        parts = None
    # What stands before an @ is a password, and a / in it ends the host's part too early.
    if parts is None or "@" in parts.path:
        raise ConfigurationError(
            f"the {scheme}:// address is malformed: wanted {scheme}://HOST:PORT/PATH, and every / : @ of a "
            "password or path as %2F %3A %40"
        )
    return parts


def shown(parts: SplitResult) -> str:
    """An address for people."""
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def check_listening(scheme: str, host: str, port: int | None, *, insecure: bool) -> None:
    """Refuse an address that sound should not be awaited at.

    Raises:
        ConfigurationError: no port, no numeric host, or other machines could send and not ``insecure``.
    """
    example = f"{scheme}://127.0.0.1:5004"
    if port is None:
        raise ConfigurationError(f"{scheme}:// needs a port to listen on: {example}")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host or "0.0.0.0")  # noqa: S104
    except ValueError as error:
        raise ConfigurationError(
            f"{scheme}:// listens on an address of this machine, in numbers: {example}"
        ) from error
    if not address.is_loopback and not insecure:
        raise ConfigurationError(
            f"refusing to listen on {scheme}://{host}:{port}: any machine that reaches it could send sound; "
            f"listen on {example}, or pass --insecure"
        )


def _listening_url(scheme: str, host: str, port: int | None) -> str:
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host or "0.0.0.0")  # noqa: S104
    wanted = f"[{address}]" if address.version == 6 else str(address)
    # Without localaddr FFmpeg listens on every interface, whatever the host.
    local = "" if address.is_multicast else f"&localaddr={address}"
    fifo = f"&fifo_size={SOCKET_BYTES // 188}&overrun_nonfatal=1" if scheme == "udp" else ""
    return f"{scheme}://{wanted}:{port}?buffer_size={SOCKET_BYTES}{fifo}{local}"


def _name(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.strip("/")
    return f"{host}/{path}" if path else host
