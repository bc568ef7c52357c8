"""Where a publisher may listen: on this machine, unless the user says otherwise.

Pure text checks before any socket is opened. Sound is personal, and an embedding is partly invertible, so
what leaves the machine in clear text must be asked for. Not here: opening the socket, and failures of the
operating system to open it (:mod:`streamdeep.wire.publisher`).
"""

import ipaddress
import re
from typing import Final

from streamdeep.errors import ConfigurationError

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5757"
DEFAULT_AUDIO_ENDPOINT: Final = "tcp://127.0.0.1:5758"

_ADVICE = (
    "encrypt with --identity and --allow (see: streamdeep keys --help), "
    "or pass --insecure to speak in clear text on the network"
)
_TCP = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]/]+):(?P<port>\*|[0-9]{1,5})")
# The kernel's sun_path holds 108 bytes, the last one zero.
_IPC_PATH_BYTES = 107


def check_bind(
    url: str, *, insecure: bool, guarded: bool = False, usual: str = DEFAULT_ENDPOINT
) -> None:
    """Refuse an address that a program should not or cannot listen on.

    Loopback tcp (127.0.0.0/8, ``[::1]``, ``localhost``), ``ipc://`` and ``inproc://`` are always allowed.
    Any local user can connect to loopback tcp; where users share a machine, use ``ipc://`` in a folder of
    mode 0700.

    Args:
        url: a ZeroMQ address; the port may be ``*`` or 0 for any free one.
        insecure: allow addresses that other machines can reach, in clear text.
        guarded: what is sent is encrypted, and only for those who are allowed.
        usual: what to recommend instead.

    Raises:
        ConfigurationError: malformed, or reachable from other machines and neither ``insecure`` nor
            ``guarded``; or guarded where there is no encryption.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("tcp", "ipc", "inproc"):
        raise ConfigurationError(
            f"cannot bind {url!r}: it must begin with tcp://, ipc:// or inproc://; "
            f"{usual} is the usual one"
        )
    if scheme == "tcp":
        _check_tcp(url, rest, insecure=insecure or guarded, usual=usual)
    elif scheme == "inproc" and guarded:
        raise ConfigurationError(f"{url!r} stays within one process: it cannot be encrypted")
    elif not rest or "\0" in rest:
        raise ConfigurationError(f"cannot bind {url!r}: a name must follow {scheme}://")
    elif scheme == "ipc" and len(rest.encode(errors="replace")) > _IPC_PATH_BYTES:
        raise ConfigurationError(
            f"cannot bind {url!r}: the path is longer than the {_IPC_PATH_BYTES} bytes that sockets allow"
        )


def _check_tcp(url: str, rest: str, *, insecure: bool, usual: str) -> None:
    parts = _TCP.fullmatch(rest)
    if parts is None:
        raise ConfigurationError(
            f"cannot bind {url!r}: wanted tcp://<address>:<port>, an IPv6 address in brackets"
        )
    port = parts["port"]
    if port != "*" and int(port) > 65535:
        raise ConfigurationError(f"cannot bind {url!r}: ports go from 0 (any free one) to 65535")
    host = parts["host"].strip("[]")
    if host == "localhost":
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None  # "*" or the name of a network interface: assume that others reach it
    if address is None and parts["host"].startswith("["):
        raise ConfigurationError(f"cannot bind {url!r}: {parts['host']} is no IPv6 address")
    if (address is None or not address.is_loopback) and not insecure:
        raise ConfigurationError(
            f"refusing to bind {url!r}: other machines could connect, unencrypted; bind {usual}, {_ADVICE}"
        )
