"""Every recording through an engine again, as fast as it goes: the same embeddings, bit for bit?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.endurance.programs import streamdeep
from bench.endurance.sounds import HOP_S
from bench.endurance.witness import Heard, Witness, heard
from streamdeep.recording.reader import Recording
from streamdeep.wire import EmbeddingMessage, Subscriber


def replay_all(
    witness: Witness, recorded: list[dict[str, Any]], folder: Path
) -> list[dict[str, Any]]:
    """Replay each; what was recorded, and how many embeddings are equal."""
    return [_compare(witness, line, recorded, folder) for line in recorded]


def _compare(
    witness: Witness, line: dict[str, Any], recorded: list[dict[str, Any]], folder: Path
) -> dict[str, Any]:
    stream, path = line["stream"], Path(line["path"])
    first = first_sample(path)
    others = [first_sample(Path(o["path"])) for o in recorded if o["stream"] == stream]
    end = min((other for other in others if other > first), default=1 << 62)
    live = [one for one in witness.embeddings[stream] if first <= one.start_sample < end]
    again, ledger = _replay(path, folder)
    # While a stream rested for overload its sound was recorded, and a replay embeds it: other segments from there on.
    rested = [
        event for event in witness.events
        if event[:2] == (stream, "overload") and first <= event[4] < end
    ]  # fmt: skip
    n_live = len(live)
    if rested:
        live = [one for one in live if one.epoch < rested[0][3]]
        last = max((one.start_sample for one in live), default=-1)
        again = [one for one in again if one.start_sample <= last]
    # A name that was there before went on counting epochs; a replay begins with 0.
    stops = [
        event for event in witness.events if event[:2] == (stream, "stop") and event[4] <= first
    ]
    first_epoch = max((event[3] + 1 for event in stops), default=0)
    wanted = {_place(one): _bits(one, first_epoch) for one in live}
    found = {_place(one): _bits(one, 0) for one in again}
    return {
        "stream": stream,
        "first_sample": first,
        "samples": line["samples"],
        "unrecorded": line["unrecorded"],
        "embeddings": n_live,
        "after_overload": n_live - len(live),
        "replayed": len(again),
        "identical": sum(found.get(place) == bits for place, bits in wanted.items()),
        "gap_samples": ledger["gap_samples"],
        "unaccounted": ledger["unaccounted"],
    }


def first_sample(path: Path) -> int:
    """The source's index of a recording's first sample."""
    with Recording(path) as recording:
        return int(next(recording.lines(recording.numbers[0])).start_sample)


def _place(one: Heard) -> int:
    return one.start_sample


def _bits(one: Heard, first_epoch: int) -> Heard:
    return replace(one, sequence=0, epoch=one.epoch - first_epoch)


def _replay(path: Path, folder: Path) -> tuple[list[Heard], dict[str, Any]]:
    program = streamdeep(
        "replay", folder, "replay", path, "--pace", "max", "--hop-s", HOP_S, "--bind", "tcp://127.0.0.1:*"
    )  # fmt: skip
    try:
        endpoint, found = program.wait_for("ready")["endpoint"], []
        with Subscriber(endpoint, kinds=("embedding",), high_water_mark=1000) as subscriber:
            while True:
                running = program.process.poll() is None
                message = subscriber.receive(0.2)
                if isinstance(message, EmbeddingMessage):
                    found.append(heard(message))
                elif message is None and not running:
                    break
            lost = subscriber.statistics().lost
        assert lost == 0, f"{lost} messages of a replay were lost"
        program.end()
        return found, program.said("ledger")[-1]
    finally:
        if program.process.poll() is None:
            program.kill()
