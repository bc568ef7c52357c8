"""The installation and its surroundings: what must be there before any sound is."""

import os
import platform
import re
import socket
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from streamdeep.config import FrontendConfig
from streamdeep.doctor.finding import Finding
from streamdeep.errors import StreamdeepError
from streamdeep.wire.kinds import StatusMessage
from streamdeep.wire.subscriber import Subscriber

EXTRAS: Final = {
    "network": "sound from the network and from m4a, webm ...; MQTT",
    "dashboard": "browsers",
    "metrics": "Prometheus",
    "heads": "teaching sounds of your own",
    "parquet": "tables in Parquet",
}
"""What a user may want, and what for; the others are for training and for developers."""
FEW_DESCRIPTORS: Final = 1024
STEP_S: Final = 0.05
"""So far two clocks may part while the doctor works; time servers slew a clock by less than a thousandth."""
_ANSWER_S: Final = 1.5
_REQUIREMENT: Final = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)\s*>=\s*(?P<least>[0-9.]+)(?:.*extra\s*==\s*['\"](?P<extra>[a-z]+)['\"])?"
)


def python() -> Finding:
    """The interpreter."""
    bits = 64 if sys.maxsize > 2**32 else 32
    message = f"{platform.python_version()}, {bits} bit, {platform.platform(terse=True)}"
    if bits == 32:
        return Finding("python", "broken", message, "install a 64-bit Python 3.11 or newer")
    return Finding("python", "ok", message)


def libraries() -> list[Finding]:
    """What the engine needs, and the extras."""
    try:
        needed = requires("streamdeep") or []
    except PackageNotFoundError:
        return [Finding("libraries", "look here", "streamdeep runs from a folder", "pip install .")]
    found: list[tuple[str, str | None]] = []
    wrong: dict[str | None, list[str]] = {}
    for requirement in filter(None, map(_REQUIREMENT.match, needed)):
        name, least, extra = requirement["name"], requirement["least"], requirement["extra"]
        present = _version(name)
        if present is None or _numbers(present) < _numbers(least):
            wrong.setdefault(extra, []).append(f"{name}>={least}")
        if extra is None:
            found.append((name, present))
    told = ", ".join(f"{name} {present or 'missing'}" for name, present in found)
    wanted = wrong.pop(None, [])
    findings = [
        Finding(
            "libraries",
            "broken" if wanted else "ok",
            f"{', '.join(wanted)} wanted" if wanted else told,
            f"pip install --upgrade {' '.join(map(repr, wanted))}" if wanted else "",
            dict(found),
        )
    ]
    missing = [name for name in EXTRAS if name in wrong]
    there = [name for name in EXTRAS if name not in wrong]
    message = f"installed: {', '.join(there) or 'none'}"
    if missing:
        message += "; not installed: " + ", ".join(f"{name} ({EXTRAS[name]})" for name in missing)
    fix = f"pip install 'streamdeep[{','.join(missing)}]'" if missing else ""
    # Nobody needs them all.
    return [*findings, Finding("extras", "ok", message, fix, {"missing": missing})]


def compiler_cache(config: FrontendConfig) -> Finding:
    """Whether compiled code is kept between starts; compiles it, if that was not done yet."""
    from streamdeep.frontend.kernels import are_compiled
    from streamdeep.frontend.rows import warm_up

    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    probe = folder / f".doctor-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            "compiler cache",
            "broken",
            f"{folder} cannot be written ({error.strerror}), and compiled code has nowhere to go",
            "export NUMBA_CACHE_DIR=/a/folder/that/you/may/write",
        )
    compiled, began_s = are_compiled(), time.monotonic()
    warm_up(config)
    took_s = time.monotonic() - began_s
    told = "warm" if compiled else "was cold, is warm now"
    return Finding("compiler cache", "ok", f"{told}: {folder}, {took_s:.1f} s")


def descriptors() -> Finding:
    """How many files and sockets may be open."""
    try:
        import resource
    except ImportError:
        return Finding("open files", "ok", "this system has no limit of its own")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FEW_DESCRIPTORS:
        return Finding(
            "open files",
            "look here",
            f"at most {soft}: enough for a few streams and listeners only",
            f"ulimit -n {min(4096, hard) if hard > 0 else 4096}",
            {"limit": soft},
        )
    return Finding(
        "open files", "ok", f"at most {'any number' if soft < 0 else soft}", values={"limit": soft}
    )


class Clocks:
    """Two clocks, from now on: whether one of them is set while the other runs."""

    def __init__(self) -> None:
        self._began_s = time.monotonic(), time.time()

    def look(self) -> Finding:
        """What became of them."""
        passed_s, by_utc_s = time.monotonic() - self._began_s[0], time.time() - self._began_s[1]
        stepped_s = by_utc_s - passed_s
        ntp = "timedatectl set-ntp true"
        if time.gmtime().tm_year < 2025:
            return Finding("clocks", "look here", f"the clock says {time.strftime('%F')}", ntp)
        if abs(stepped_s) > STEP_S:
            return Finding(
                "clocks",
                "look here",
                f"the clock was set by {stepped_s:+.2f} s meanwhile; times across machines will jump",
                ntp,
            )
        resolution_us = 1e6 * time.get_clock_info("monotonic").resolution
        return Finding(
            "clocks", "ok", f"steady over {passed_s:.0f} s, resolution {resolution_us:.3g} µs"
        )


def address(connect: str, identity: Path | None = None) -> Finding:
    """Who is at the address where an engine publishes; takes a second and a half if somebody is.

    Args:
        connect: of an engine or a hub.
        identity: our ``.key_secret``, if it encrypts.
    """
    port = connect.rpartition(":")[2]
    if connect.startswith("tcp://127.0.0.1:") and port.isdecimal() and _is_free(int(port)):
        return Finding("address", "ok", f"{connect} is free for `streamdeep run`")
    streams: set[str] = set()
    try:
        with Subscriber(connect, kinds=("status",), identity=identity) as subscriber:
            deadline_s = time.monotonic() + _ANSWER_S
            while (left_s := deadline_s - time.monotonic()) > 0:
                message = subscriber.receive(left_s)
                if isinstance(message, StatusMessage):
                    streams.add(message.stream)
            (connection,) = subscriber.connections()
            trouble = connection.trouble or "no stream within a second"
    except StreamdeepError as error:
        return Finding("address", "broken", str(error), "correct --connect")
    if streams:
        names = ", ".join(sorted(streams)[:5])
        return Finding(
            "address", "ok", f"an engine publishes on {connect}: {len(streams)} streams ({names})"
        )
    return Finding(
        "address",
        "look here",
        f"{connect} is taken, or not of this machine, and no engine was heard there: {trouble}",
        "streamdeep run mic --bind 'tcp://127.0.0.1:*'",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """The release's numbers, zeros at the end left out: enough to compare what our requirements name."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text)[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
