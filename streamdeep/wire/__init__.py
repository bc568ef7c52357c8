"""Embeddings to other processes and machines, over ZeroMQ: protocol version 1 (``docs/protocol.md``).

topics       topic and stream names
kinds        the kinds of message, as typed records
audiokinds   the kinds that carry sound to an engine, and its answers
schema       checks on single untrusted values
layout       which keys each kind has; embeddinglayout, labellayout, modellayout: those of the larger ones
audiolayout  the keys of sound on its way to an engine
framekinds   the kind that carries frames, for those who draw them
framelayout  its keys
messages     pack and unpack: records to frames and back; the only module that knows msgpack
security     where a publisher may listen
keys         CURVE keys in files
gate         who may connect to an encrypted publisher
host         which machine's monotonic clock this is
repeats      what is said again to those who join late
endpoint     opens the sending socket
sendqueue    what the kernel has not delivered yet
outbox       the sending socket at work: slow readers, joiners
publisher    what the engine sends through
loss         what a topic lost, from sequence numbers
age          how old an embedding is, on one host and across hosts
holding      embeddings wait for the description of their model
link         one receiving socket, brought back when libzmq gives up on it
trouble      why a connection is down, in words
connection   several of them
tally        the subscriber's books
reception    what every subscriber does, however it waits
subscriber   what a listener receives through
async_subscriber  the same in an event loop
callbacks    the same by functions that are called
printable    texts of strangers, made fit to be printed
hub          many engines and many subscribers meet here: bytes pass through
cache        what a hub keeps for joiners
fanout       a hub's sending socket
rivals       two senders under one stream's name
hub_statistics  what a hub counts
audiosockets where an engine takes sound in, and how a sender reaches it
conformance  every kind of message, odd ones included, to test listeners with

A listener needs this package, numpy, pyzmq and msgpack: no compiler, no model runtime, no sound card. What
listeners need first can be had from here: ``from streamdeep.wire import Subscriber``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamdeep.wire.async_subscriber import AsyncSubscriber
    from streamdeep.wire.callbacks import Listener, listen
    from streamdeep.wire.kinds import (
        EmbeddingMessage,
        EventMessage,
        LabelMessage,
        Message,
        ModelMessage,
        StatusMessage,
    )
    from streamdeep.wire.subscriber import Subscriber

__all__ = [
    "AsyncSubscriber",
    "EmbeddingMessage",
    "EventMessage",
    "LabelMessage",
    "Listener",
    "Message",
    "ModelMessage",
    "StatusMessage",
    "Subscriber",
    "listen",
]

_HOMES = {
    "AsyncSubscriber": "async_subscriber",
    "Listener": "callbacks",
    "Subscriber": "subscriber",
    "listen": "callbacks",
}


def __getattr__(name: str) -> Any:
    # On first use: whoever imports one module of the package does not pay for the others.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'kinds')}"), name)
