"""Who is connected to: an address and, if it encrypts, the keys that it takes.

Not here: key files (:mod:`streamdeep.wire.keys`), the other end (:mod:`streamdeep.wire.gate`).
"""

from dataclasses import dataclass
from typing import Final, Self

import zmq

from streamdeep.errors import ConfigurationError
from streamdeep.wire.keys import Identity, load_public_key, split_address

CURVE_BYTES: Final = 33
"""What encryption adds to a frame, and ``ZMQ_MAXMSGSIZE`` counts *(measured)*."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What a connection needs to know of its other end.

    Attributes:
        endpoint: the address, as ZeroMQ takes it.
        keys: the other end's public key, and ours; None if it does not encrypt.
    """

    endpoint: str
    keys: tuple[bytes, Identity] | None

    @classmethod
    def named(cls, address: str, identity: Identity | None) -> Self:
        """From an address, with ``?server-key=FILE`` if it encrypts.

        Args:
            address: as users write it.
            identity: our keys, for those who encrypt.

        Raises:
            ConfigurationError: a key file cannot be read, or an identity is missing.
        """
        endpoint, file = split_address(address)
        if file is None:
            return cls(endpoint, None)
        server_key = load_public_key(file)
        if identity is None:
            raise ConfigurationError(
                f"{endpoint} with a server key needs an --identity of ours too: a .key_secret file "
                "whose public half is allowed there; streamdeep keys makes one"
            )
        return cls(endpoint, (server_key, identity))

    @property
    def overhead_bytes(self) -> int:
        """What a frame has more on this connection than it says."""
        return 0 if self.keys is None else CURVE_BYTES

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Set a socket up, before it is connected."""
        if self.keys is not None:
            server_key, identity = self.keys
            socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, identity.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, identity.secret)
