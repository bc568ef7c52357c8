"""Why a connection is down, in words, as far as libzmq tells its reading end.

Pure: an event of the socket's monitor in, a line out. What libzmq tells was measured for each case: a wrong server
key looks like a peer that closes during the handshake; a key that is not allowed is a refusal with ZAP's status
400; a peer that encrypts when we do not, or the other way round, is a mismatch of mechanisms.
"""

from dataclasses import dataclass
from typing import Final

import zmq

NOT_YET: Final = "nobody answers there yet"
LOST: Final = "the connection was lost; trying again"
_NOT_ALLOWED: Final = 400  # ZAP's status, see streamdeep.wire.gate


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """One connection as its reader sees it.

    Attributes:
        endpoint: the publisher's address.
        up: connected, and agreed on how to speak.
        trouble: why it is not, for people; empty if it is.
        renewals: how often it was made anew because libzmq had given up.
    """

    endpoint: str
    up: bool
    trouble: str
    renewals: int


def handshake_trouble(event: int, value: int, *, encrypted: bool, peer: str = "publisher") -> str:
    """What a failed handshake means.

    Args:
        event: one of libzmq's three events for it.
        value: what came with it: a status, a protocol error, or an error number.
        encrypted: whether we wanted encryption.
        peer: what the other end should be.
    """
    if event == zmq.Event.HANDSHAKE_FAILED_AUTH:
        if value == _NOT_ALLOWED:
            return f"refused by the {peer}'s allow-list: our public key is not in it"
        return f"refused by the {peer} (status {value})"
    if event == zmq.Event.HANDSHAKE_FAILED_NO_DETAIL:
        if encrypted:
            return (
                f"the {peer} ended the handshake: the server key is wrong, or it does not encrypt"
            )
        return f"the peer ended the handshake: it is encrypted, or no streamdeep {peer}"
    if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        if encrypted:
            return f"the {peer} does not encrypt, and the address asks for it with server-key"
        return f"the {peer} is encrypted: its address needs ?server-key=FILE, and we an identity"
    if value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
        return "the keys do not fit: the server key is wrong"
    return f"the peer does not speak ZeroMQ's protocol (error 0x{value:08x})"
