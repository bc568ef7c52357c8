"""CURVE keys in files, and addresses that name one.

An identity is a pair of keys: ``NAME.key_secret`` stays where it is and holds both, ``NAME.key`` is public and is
given to those who should know it. The format is that of ZeroMQ's certificates, so that czmq's and pyzmq's
tools read and write it too. Not here: who may connect (:mod:`streamdeep.wire.gate`).
"""

import os
import re
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from streamdeep.errors import ConfigurationError

PUBLIC_SUFFIX: Final = ".key"
SECRET_SUFFIX: Final = ".key_secret"  # noqa: S105 - a file's name
_FILE_BYTES: Final = 16 * 1024
_KEY = re.compile(
    rb"^\s*(?P<name>public|secret)-key\s*=\s*[\"']?(?P<key>[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40})[\"']?\s*$",
    re.MULTILINE,
)
_SERVER_KEY: Final = "?server-key="


@dataclass(frozen=True, slots=True)
class Identity:
    """Who one is to others: a pair of CURVE keys, as 40 characters each.

    Attributes:
        public: for everybody.
        secret: for nobody; not in the text form.
    """

    public: bytes
    secret: bytes = field(repr=False)


def create_identity(path: Path) -> tuple[Path, Path]:
    """Make a pair of keys and write it to two files.

    Args:
        path: ``NAME``; written are ``NAME.key`` and ``NAME.key_secret`` (mode 0600).

    Returns:
        The public and the secret file.

    Raises:
        ConfigurationError: one is there already, or cannot be written.
    """
    public_path = path.with_name(path.name + PUBLIC_SUFFIX)
    secret_path = path.with_name(path.name + SECRET_SUFFIX)
    public, secret = zmq.curve_keypair()
    text = f'metadata\ncurve\n    public-key = "{public.decode()}"\n'
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(secret_path, f'{text}    secret-key = "{secret.decode()}"\n', 0o600)
        _write_new(public_path, text, 0o644)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{error.filename} is there already; keys are never overwritten: choose another name"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"cannot write {error.filename}: {error.strerror}") from error
    return public_path, secret_path


def load_identity(path: str | Path) -> Identity:
    """Read a secret key file.

    Raises:
        ConfigurationError: it cannot be read, holds no pair of keys, or others may read it.
    """
    found = _read_keys(Path(path))
    if b"secret" not in found:
        raise ConfigurationError(
            f"{path} holds no secret key; an identity is a {SECRET_SUFFIX} file, see: streamdeep keys"
        )
    if os.name == "posix" and stat.S_IMODE(Path(path).stat().st_mode) & 0o077:
        raise ConfigurationError(
            f"{path} can be read by others, so it is no secret: chmod 600 {path}"
        )
    return Identity(found[b"public"], found[b"secret"])


def load_public_key(path: str | Path) -> bytes:
    """Read the public key of a key file.

    Raises:
        ConfigurationError: it cannot be read, or holds none.
    """
    return _read_keys(Path(path))[b"public"]


def split_address(address: str) -> tuple[str, Path | None]:
    """An address for ZeroMQ, and the file of the publisher's public key if the address names one.

    ``tcp://host:5757?server-key=FILE`` connects encrypted, and only to who holds the secret half of that key.
    """
    endpoint, marker, file = address.partition(_SERVER_KEY)
    return endpoint, Path(file) if marker else None


def _read_keys(path: Path) -> dict[bytes, bytes]:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the key file {path}: {error.strerror or error}; streamdeep keys makes some"
        ) from error
    found = {match["name"]: match["key"] for match in _KEY.finditer(content)}
    if b"public" not in found or not all(map(_is_key, found.values())):
        raise ConfigurationError(f"{path} is no key file; streamdeep keys makes some")
    if b"secret" in found and zmq.curve_public(found[b"secret"]) != found[b"public"]:
        raise ConfigurationError(f"{path} holds two keys that do not belong together")
    return found


def _is_key(text: bytes) -> bool:
    try:
        z85.decode(text)
    except struct.error:  # five characters that are more than four bytes
        return False
    return True


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
