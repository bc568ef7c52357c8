"""Where the broker is, how one logs in, and which topic prefixes can be.

Pure checks of what the user typed, and the password's file. Not here: connecting (:mod:`streamdeep.bridges.mqtt`).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from streamdeep.errors import ConfigurationError

EXAMPLE: Final = "mqtt://user@127.0.0.1:1883"
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_SECRET_BYTES: Final = 4096
_PREFIX_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker and a login.

    Attributes:
        host: name or address.
        port: of TCP.
        tls: the connection is encrypted and the broker's certificate checked.
        ca: certificates that are trusted instead of the system's.
        user: None logs in as nobody.
        password: None sends none.
    """

    host: str
    port: int
    tls: bool = False
    ca: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def broker_from(
    url: str, *, password_file: Path | None = None, tls: bool = False, ca: Path | None = None
) -> Broker:
    """What ``--broker`` and its companions mean.

    Args:
        url: ``mqtt://[user@]host[:port]``, or ``mqtts://`` for TLS.
        password_file: holds the password.
        tls: TLS whatever the URL says.
        ca: certificates to trust; implies TLS.

    Raises:
        ConfigurationError: the URL is malformed or holds a password, or a file cannot be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"--broker {url!r}: {error}; it is like {EXAMPLE}") from error
    if parts.password is not None:
        raise ConfigurationError(
            "--broker: a password on the command line is visible to every user; use --password-file"
        )
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not parts.hostname or rest or port == 0:
        raise ConfigurationError(f"--broker {url!r} must be like {EXAMPLE} or mqtts://host")
    user = None if parts.username is None else unquote(parts.username)
    if password_file is not None and user is None:
        raise ConfigurationError(f"--password-file needs a user: --broker {EXAMPLE}")
    if ca is not None and not ca.is_file():
        raise ConfigurationError(f"--ca {ca}: there is no such file")
    tls = tls or ca is not None or parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=port or _PORTS["mqtts" if tls else "mqtt"],
        tls=tls,
        ca=ca,
        user=user,
        password=None if password_file is None else read_secret(password_file),
    )


def read_secret(path: Path) -> str:
    """The first line of a file that only its owner may read.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or it holds none.
    """
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            content = file.read(_SECRET_BYTES + 1)
        secret = content.split(b"\n", 1)[0].rstrip(b"\r").decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigurationError(f"{path} can be read by other users; do: chmod 600 {path}")
    if not secret or len(content) > _SECRET_BYTES:
        raise ConfigurationError(f"{path} must hold one line of at most {_SECRET_BYTES} bytes")
    return secret


def check_prefix(option: str, prefix: str) -> None:
    """Refuse what cannot begin a topic.

    Raises:
        ConfigurationError: it has wildcards, empty levels or control characters, or is too long.
    """
    bad = set(prefix) & set("+#") or any(not character.isprintable() for character in prefix)
    if bad or prefix.startswith("$") or not all(prefix.split("/")):
        raise ConfigurationError(
            f"{option} {prefix!r}: levels between slashes, not empty, without + and #, not $ first"
        )
    if len(prefix.encode(errors="replace")) > _PREFIX_BYTES:
        raise ConfigurationError(f"{option} has more than {_PREFIX_BYTES} bytes")
