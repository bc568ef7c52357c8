"""What a hub counts. Not here: the hub (:mod:`streamdeep.wire.hub`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamdeep.wire.trouble import ConnectionState


@dataclass(frozen=True, slots=True)
class HubStatistics:
    """What a hub counts since it began, in messages.

    Attributes:
        connections: how each engine's connection is.
        received: from engines: ``received = forwarded + duplicates + sum(refused)``.
        forwarded: sent on, byte for byte.
        duplicates: had come before, as an engine's repeats or over a second path.
        refused: none of this protocol, by the place of the fault.
        lost: sent by engines since the hub joined, and never arrived here.
        repeated: sent from the cache, to joiners and every 30 s.
        overflows: how often a subscriber's queue was found full.
        subscriptions: topic prefixes subscribed to now, summed over subscribers.
        streams: of which something is cached.
        cached_bytes: in the cache.
        rivals: streams for which two senders spoke in turns, by name: how often.
    """

    connections: Sequence[ConnectionState]
    received: int
    forwarded: int
    duplicates: int
    refused: Mapping[str, int]
    lost: int
    repeated: int
    overflows: int
    subscriptions: int
    streams: int
    cached_bytes: int
    rivals: Mapping[str, int]
