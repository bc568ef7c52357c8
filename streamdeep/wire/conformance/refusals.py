"""The cases of messages that are none of this protocol: each is refused, counted, and disturbs nothing.

A refused message has the number that the next good one has: a client that enters it into its books before it has
checked it takes the good one for a duplicate. Not here: good messages (:mod:`streamdeep.wire.conformance.cases`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from streamdeep.records import Flag
from streamdeep.wire.conformance.script import Script


def _between(s: Script, *refuse: Callable[[], None]) -> None:
    """A good embedding, what is to be refused, a good embedding, and a status that finds nothing lost."""
    s.embedding(0)
    for one in refuse:
        one()
    s.embedding(1)
    s.status(0, {"embedding": 1})


def _headers(s: Script, *changes: dict[str, Any]) -> None:
    """An embedding for each change of its header."""
    _between(s, *(partial(s.embedding, 1, refused=True, header=change) for change in changes))


def _unknown_version(s: Script) -> None:
    """Other versions, and no version."""
    _headers(s, {"v": 2}, {"v": 0}, {"v": "1"}, {"v": True}, {"v": None})


def _header_is_no_map(s: Script) -> None:
    """Headers that are an array, a number, nothing, cut short, too long, or claim to be huge."""
    topic, header, payload = s.embedding_frames(1)
    wrong = (b"\x93\x01\x02\x03", b"\x07", b"", header[:-4], header + b"\xc0", b"\xdd" + b"\xff" * 4, b"\xdf" + b"\xff" * 4, b"\xc1")  # fmt: skip
    _between(s, *(partial(s.refuse, [topic, frame, payload]) for frame in wrong))


def _header_too_large(s: Script) -> None:
    """A header of more than 16 KiB, though every text in it is short."""
    _headers(s, {f"k{number}": "x" * 1_000 for number in range(20)})


def _missing_keys(s: Script) -> None:
    """Headers without a key that is never missing."""
    keys = ("v", "stream", "session", "sequence", "flags", "start_sample", "n_samples", "dtype", "shape")  # fmt: skip
    _between(s, *(partial(s.embedding, 1, refused=True, without=key) for key in keys))


def _wrong_types(s: Script) -> None:
    """Values of the wrong type or sign; a boolean is no integer."""
    _headers(
        s,
        {"sequence": "1"},
        {"sequence": True},
        {"sequence": -1},
        {"sequence": None},
        {"sequence": 2**63},
        {"start_sample": b"1"},
        {"n_samples": -1},
        {"n_samples": [1]},
        {"session": "0123456789abcdef"},
        {"session": s.session[:15]},
        {"flags": 2**32},
    )


def _topics(s: Script) -> None:
    """Topics with names that are none, and header and topic that do not agree."""
    topic, header, payload = s.embedding_frames(1)
    name = topic.split(b"/")[1]
    wrong = (b"embedding/" + name, b"embedding/" + name + b"/more/", b"embedding//", b"embedding/Upper/", b"embedding/" + b"x" * 200 + b"/", b"embedding/other/", b"label/" + name + b"/")  # fmt: skip
    _between(s, *(partial(s.refuse, [frame, header, payload]) for frame in wrong))


def _frames(s: Script) -> None:
    """Messages of one, two and four frames."""
    whole = s.embedding_frames(1)
    wrong = (whole[:1], whole[:2], [*whole, b""])
    _between(s, *(partial(s.refuse, frames) for frames in wrong))


def _payload_size(s: Script) -> None:
    """Payloads that are empty, a byte short, a number short, a number long."""
    sizes = (0, 15, 12, 20)
    _between(s, *(partial(s.embedding, 1, refused=True, payload=bytes(size)) for size in sizes))


def _not_finite(s: Script) -> None:
    """Vectors with NaN and with infinities."""
    nan, infinity = float("nan"), float("inf")
    wrong = ((0.0, nan, 0.0, 0.0), (0.0, 0.0, 0.0, infinity), (-infinity, 0.0, 0.0, 0.0))
    _between(s, *(partial(s.embedding, 1, refused=True, vector=vector) for vector in wrong))


def _shapes(s: Script) -> None:
    """Shapes and types of numbers that this version does not have."""
    _headers(
        s,
        {"dtype": "<f8", "shape": [2]},
        {"dtype": ">f4"},
        {"shape": []},
        {"shape": [2, 2]},
        {"shape": 4},
        {"shape": [-4]},
        {"shape": [True]},
        {"shape": [2**62 + 4]},  # 4 * dim is 16 again in 64 bits
    )


def _early_under_embedding(s: Script) -> None:
    """The flag early under ``embedding/``, and none under ``early/``."""
    _between(
        s,
        partial(s.embedding, 1, refused=True, flags=Flag.EARLY),
        partial(s.embedding, 1, refused=True, kind="early", header={"flags": 0}),
    )


def _event_payloads(s: Script) -> None:
    """Events whose payload is empty, no map, or lacks what every event has."""
    wrong = (b"", b"\x90", b"\x80", b"\xdf" + b"\xff" * 4, {"event": "gap"}, {"event": 7})
    s.event(0, "start")
    for payload in wrong:
        s.event(1, "gap", refused=True, payload=payload)
    s.event(1, "stop")
    s.status(0, {"event": 1})


CASES: Final = (
    _unknown_version,
    _header_is_no_map,
    _header_too_large,
    _missing_keys,
    _wrong_types,
    _topics,
    _frames,
    _payload_size,
    _not_finite,
    _shapes,
    _early_under_embedding,
    _event_payloads,
)
