"""What is done to each part, and when: one fault after the other, so that each shows by itself."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.endurance.programs import wait_until

if TYPE_CHECKING:
    from bench.endurance.show import Show

AWAY_S = 3.0
"""How long what was killed stays away."""


@dataclass(slots=True)
class Fault:
    """One thing that happens.

    Attributes:
        part: what it happens to.
        what: for people.
        at: when, as a part of the run.
        do: has it happen; returns when what was ended runs again.
        began_s: when it began, since the run's beginning.
        took_s: how long it took.
        error: what went wrong with the fault itself.
    """

    part: str
    what: str
    at: float
    do: Callable[["Show"], None]
    began_s: float = 0.0
    took_s: float = 0.0
    error: str = field(default="")


def _microphone(show: "Show") -> None:
    show.microphone.server.kill()
    time.sleep(AWAY_S)
    show.microphone.server.start()


def _radio(show: "Show") -> None:
    show.radio.program.kill()
    time.sleep(AWAY_S)
    show.radio.start()


def _sender(show: "Show") -> None:
    show.sender.program.kill()
    time.sleep(AWAY_S)
    show.sender.start()


def _file(show: "Show") -> None:
    stopped = ("file", "stop")
    wait_until(
        lambda: any(event[:2] == stopped for event in show.witness.events), 60, "the file's end"
    )
    show.site.replace_file()
    show.engine.signal(signal.SIGHUP)


def _hub(show: "Show") -> None:
    show.hub.kill()
    time.sleep(AWAY_S)
    show.start_hub()


def _python(show: "Show") -> None:
    """Freeze it until the hub finds its queue full or cuts it off, and a little longer."""
    before = show.hub.said("counters")[-1]

    def given_up() -> bool:
        now = show.hub.said("counters")[-1]
        cut_off = now["subscriptions"] < before["subscriptions"]
        return bool(now["overflows"] > before["overflows"] or cut_off)

    show.python.program.signal(signal.SIGSTOP)
    try:
        wait_until(given_up, 30.0, "that the hub gives the frozen subscriber up")
        time.sleep(AWAY_S)
    finally:
        show.python.program.signal(signal.SIGCONT)


def _node(show: "Show") -> None:
    show.node.program.kill()
    time.sleep(AWAY_S)
    show.node.start()


def _c(show: "Show") -> None:
    show.c.program.kill()
    time.sleep(AWAY_S)
    show.c.start()


def _broker(show: "Show") -> None:
    show.broker.kill()
    time.sleep(AWAY_S)
    show.broker.start()


FILE_ENDS_AT = 0.38
"""When the first file ends, as a part of the run."""


def plan() -> list[Fault]:
    """One fault for every part."""
    again = f"SIGKILL, started again {AWAY_S:g} s later"
    return [
        Fault("mic", f"sound server: {again}", 0.12, _microphone),
        Fault("radio", f"web server: {again}", 0.20, _radio),
        Fault("sender", again, 0.28, _sender),
        Fault("file", "ends; SIGHUP brings another", FILE_ENDS_AT, _file),
        Fault("hub", again, 0.48, _hub),
        Fault("python", f"SIGSTOP until {AWAY_S:g} s after the hub gave it up", 0.58, _python),
        Fault("node", again, 0.62, _node),
        Fault("c", again, 0.68, _c),
        Fault("broker", again, 0.74, _broker),
    ]


def inject(fault: Fault, show: "Show") -> threading.Thread:
    """Begin, in a thread of its own."""

    def run() -> None:
        fault.began_s = round(show.at_s, 1)
        try:
            fault.do(show)
        except Exception as error:  # it is told, and the run goes on
            fault.error = repr(error)
        fault.took_s = round(show.at_s - fault.began_s, 1)

    thread = threading.Thread(target=run, name=fault.part)
    thread.start()
    return thread
