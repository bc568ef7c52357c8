"""Embeddings to other processes and machines, over ZeroMQ: protocol version 1 (``docs/protocol.md``).

topics       topic and stream names
kinds        the kinds of message, as typed records
audiokinds   the kinds that carry sound to an engine, and its answers
schema       checks on single untrusted values
layout       which keys each kind has
audiolayout  the keys of sound on its way to an engine
messages     pack and unpack: records to frames and back; the only module that knows msgpack
security     where a publisher may listen
host         which machine's monotonic clock this is
repeats      what is said again to those who join late
endpoint     opens the sending socket
sendqueue    what the kernel has not delivered yet
outbox       the sending socket at work: slow readers, joiners
publisher    what the engine sends through
loss         what a topic lost, from sequence numbers
age          how old an embedding is, on one host and across hosts
holding      embeddings wait for the description of their model
connection   the receiving sockets, brought back when libzmq gives up on them
tally        the subscriber's books
subscriber   what a listener receives through
audiosockets where an engine takes sound in, and how a sender reaches it
conformance  every kind of message, odd ones included, to test listeners with

A listener needs this package, numpy, pyzmq and msgpack: no compiler, no model runtime, no sound card.
"""
