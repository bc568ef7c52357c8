"""The cases of good messages: every kind, what later versions may add, loss, joining, restarts, age.

Not here: messages that are to be refused (:mod:`streamdeep.wire.conformance.refusals`).
"""

from collections.abc import Callable
from typing import Final

from streamdeep.records import Flag
from streamdeep.wire.conformance import refusals
from streamdeep.wire.conformance.case import Case, Moment
from streamdeep.wire.conformance.script import LATENCY_NS, Script

LAST: Final = "end"
"""The last case: a client that has printed its line has seen everything."""

_BEYOND_A_DOUBLE: Final = 2**53 + 1
_LARGEST: Final = 2**63 - 1
_LATER: Final = {"later": {"a": [1, 2.5, None, {}], "b": b"\x00"}, "constructor": -(2**63)}


def all_cases(moment: Moment) -> list[Case]:
    """Every case, in the order in which they are played.

    Args:
        moment: where and when that is.
    """
    here = [_of(write) for write in (*_CASES, *refusals.CASES)]
    return [*here, _of(_same_host, moment), _of(_end)]


def _of(write: Callable[[Script], None], moment: Moment | None = None) -> Case:
    name = write.__name__.strip("_").replace("_", "-")
    about = " ".join((write.__doc__ or "").split())
    script = Script(name, about, moment)
    write(script)
    return script.case()


def _every_kind(s: Script) -> None:
    """One message of each kind; texts with quotes, line ends and letters beyond ASCII."""
    s.model(0)
    s.event(0, "start")
    s.embedding(0, kind="early")
    s.embedding(0)
    s.label(0, 'Möwe "7"\n')
    s.status(0, {"embedding": 0, "early": 0, "event": 0, "model": 0})


def _one_dimension(s: Script) -> None:
    """A vector of one number; fewer than the three that are printed of longer ones."""
    s.embedding(0, vector=(0.125,))
    s.embedding(1, vector=(-2.0, 4.0))
    s.status(0, {"embedding": 1})


def _largest_vector(s: Script) -> None:
    """The longest vector that is allowed, 1 MiB: a frame limit that is too tight ends the connection."""
    s.embedding(0, vector=(1.5,) * 262_144)
    s.embedding(1)
    s.status(0, {"embedding": 1})


def _big_integers(s: Script) -> None:
    """Sequence numbers and sample indices that no double holds, up to the largest."""
    s.embedding(_BEYOND_A_DOUBLE, header={"start_sample": _BEYOND_A_DOUBLE})
    s.embedding(
        _BEYOND_A_DOUBLE + 1, header={"start_sample": _BEYOND_A_DOUBLE + 2, "n_samples": 2**62 + 1}
    )
    s.event(0, "gap", at_sample=_LARGEST)
    s.embedding(_LARGEST - 2, lost=_LARGEST - 2 - (_BEYOND_A_DOUBLE + 2))
    s.status(
        0,
        {"embedding": _LARGEST - 1, "event": 0},
        lost=_LARGEST - 1 - (_BEYOND_A_DOUBLE + 2),
    )


def _unknown_keys(s: Script) -> None:
    """Keys of later releases in headers and in payloads, with values of every type."""
    s.model(0, more=_LATER)
    s.embedding(0, header=_LATER)
    s.event(0, "start", header=_LATER, more=_LATER)
    s.status(0, {"embedding": 0, "event": 0, "model": 0}, header=_LATER, more=_LATER)


def _unknown_flags(s: Script) -> None:
    """Flag bits of later releases, beside known ones."""
    s.embedding(0, flags=2**31 + 2**20)
    s.embedding(1, flags=2**31 + Flag.CLIPPED + Flag.PARTIAL)
    s.status(0, {"embedding": 1}, flags=2**30)


def _unknown_event(s: Script) -> None:
    """An event of a later release: it may be printed or not, and its number counts."""
    s.event(0, "start")
    s.event(1, "lunch_break", optional=True)
    s.event(2, "stop")
    s.status(0, {"event": 2})


def _unknown_kind(s: Script) -> None:
    """A kind of message of a later release, which is in the status too: neither printed, counted nor refused."""
    s.status(0, {"embedding": -1, "spectrum": 3})
    frames = s.embedding_frames(4)
    s.raw([frames[0].replace(b"embedding/", b"spectrum/"), *frames[1:]], None)
    s.embedding(0)
    s.status(1, {"embedding": 0, "spectrum": 9})


def _whole_numbers(s: Script) -> None:
    """Floating-point values sent as integers, because they are whole."""
    s.embedding(0, header={"level_dbfs": -20, "peak_dbfs": 0, "novelty": 3})
    s.status(0, {"embedding": 0}, more={"uptime_s": 10})


def _optional_keys(s: Script) -> None:
    """An optional key that is there, and one that is there and nil."""
    s.embedding(0, header={"novelty": 0.75})
    s.embedding(1, header={"novelty": None})
    s.status(0, {"embedding": 1})


def _repeats(s: Script) -> None:
    """Messages sent again, with the flag for joiners and without: each is printed once."""
    s.model(0)
    s.model(0, flags=Flag.REPEAT, printed=False)
    s.embedding(0)
    s.embedding(1)
    s.embedding(1, printed=False)
    s.embedding(0, printed=False)
    s.embedding(2)
    s.status(0, {"embedding": 2, "model": 0})


def _loss(s: Script) -> None:
    """Numbers that are left out, one at a time and many."""
    s.embedding(0)
    s.embedding(2, lost=1)
    s.event(0, "start", lost=1)
    s.embedding(12, lost=10)
    s.event(2, "gap", lost=11)
    s.status(0, {"embedding": 12, "event": 2}, lost=11)


def _loss_at_the_end(s: Script) -> None:
    """Loss after which no message comes, found by the status; what comes later is not counted again."""
    s.embedding(0)
    s.status(0, {"embedding": 4}, lost=4)
    s.status(1, {"embedding": 4, "status": 0}, lost=4)
    s.embedding(5, lost=4)
    s.embedding(7, lost=5)
    s.status(2, {"embedding": 7, "status": 1}, lost=5)


def _here_after_all(s: Script) -> None:
    """A message that a status had named, repeated afterwards: it is not lost."""
    s.model(0)
    s.status(0, {"model": 1}, lost=1)
    s.model(1, flags=Flag.REPEAT)
    s.status(1, {"model": 1})


def _late_joiner(s: Script) -> None:
    """The first sign of a stream is a status in mid-session; the model that it names is then repeated."""
    s.status(41, {"embedding": 6, "event": 0, "model": 2})
    s.model(2, flags=Flag.REPEAT)
    s.embedding(7)
    s.embedding(9, lost=1)
    s.event(1, "gap", lost=1)
    s.status(42, {"embedding": 9, "event": 1, "model": 2}, lost=1)


def _repeated_status(s: Script) -> None:
    """A repeated status is no first sign of other topics, since it is older than what was sent since."""
    s.status(3, {"embedding": 5}, flags=Flag.REPEAT)
    s.embedding(9)
    s.embedding(10)
    s.status(4, {"embedding": 10})


def _repeat_that_proves_loss(s: Script) -> None:
    """A repeated status of a topic that is known proves loss like any other."""
    s.embedding(0)
    s.status(0, {"embedding": 2}, flags=Flag.REPEAT, lost=2)
    s.embedding(3, lost=2)


def _restart(s: Script) -> None:
    """A new session: numbers begin at 0 again, and those before the first that came are lost."""
    s.embedding(7)
    s.status(7, {"embedding": 7})
    s.restart()
    s.embedding(2, lost=2)
    s.status(0, {"embedding": 3}, lost=3)
    s.embedding(4, lost=3)


def _restart_seen_by_status(s: Script) -> None:
    """A new session whose first sign is a status: all that it names is lost."""
    s.embedding(7)
    s.restart()
    s.status(0, {"embedding": 1}, lost=2)
    s.embedding(2, lost=2)


def _sounds(s: Script) -> None:
    """Labels of a classifier that follows sounds: one begins, goes on, ends; the last is sent again."""
    begun = {"state": "start", "label": "wren", "start_sample": 110_250, "n_samples": 220_500, "confidence": 0.75, "reason": ""}  # fmt: skip
    over = begun | {"state": "end", "n_samples": 2**53 + 1, "reason": "gap"}
    s.label(0, "wren", more={"sounds": [begun]})
    s.label(1, "wren", more={"sounds": [begun | {"state": "on", "confidence": 1}]})
    s.label(2, "wren", more={"sounds": [over | {"state": "of_later"} | _LATER, begun]})
    s.label(3, "unknown", more={"sounds": [over]})
    s.label(3, "unknown", more={"sounds": [over]}, flags=Flag.REPEAT, printed=False)
    s.label(4, "unknown", more={"sounds": []})
    s.label(5, "wren", more={"sounds": None})


def _novelty_and_gain(s: Script) -> None:
    """What later releases added: novelty in three kinds of message, and a gain; there, and there and nil."""
    s.model(0, more={"novelty": {"probabilities": [0.5, 0.99], "quantiles": [1, 2.5]}})
    s.embedding(0, header={"novelty": 0.75, "gain_db": 6.5})
    s.embedding(1, header={"novelty": 12.5, "gain_db": -12})
    s.embedding(2, header={"novelty": None, "gain_db": None})
    told = {"novelty": 3.5, "novelty_rate": 0.004, "novel": True, "drifting": False}
    s.label(0, "wren", more=told)
    s.label(1, "wren", more=dict.fromkeys(told))
    s.model(1, more={"novelty": None})
    s.status(0, {"embedding": 2, "model": 1})


def _same_host(s: Script) -> None:
    """From this machine, five seconds on the way: the age is told by the monotonic clock."""
    delay_ns = 5_000_000_000
    late = {"published_monotonic_ns": s.moment.monotonic_ns - delay_ns}
    s.status(0, {"embedding": -1}, header=late)
    s.embedding(0, header=late, age_s=(LATENCY_NS + delay_ns) / 1e9)
    s.status(1, {"embedding": 0})


def _end(s: Script) -> None:
    """The end of the test."""
    s.status(0, {})


_CASES = (
    _every_kind,
    _one_dimension,
    _largest_vector,
    _big_integers,
    _unknown_keys,
    _unknown_flags,
    _unknown_event,
    _unknown_kind,
    _whole_numbers,
    _optional_keys,
    _repeats,
    _loss,
    _loss_at_the_end,
    _here_after_all,
    _late_joiner,
    _repeated_status,
    _repeat_that_proves_loss,
    _restart,
    _restart_seen_by_status,
    _sounds,
    _novelty_and_gain,
)
