"""How many live streams one core carries; ``bench/streams.py`` measures, here it is asked and judged."""

import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

from bench.networks import model_path
from bench.record import SEED, Part, Picture, Series, Table

SCRIPT = Path(__file__).with_name("streams.py")
BEYOND = (1.25, 1.5, 2.0)
"""Times the last count, until a sample is lost or the tail grows longer than a hop."""
SETTINGS = {
    "spread": ("44.1 kHz, starts spread over a hop", []),
    "apart": ("44.1 kHz, starts spread over a segment", ["--apart"]),
    "in_phase": ("44.1 kHz, all in phase", ["--in-phase"]),
    "resampled": ("48 kHz, resampled", ["--rate", "48000"]),
    "lanes": ("44.1 kHz, 5 s segments every second (5 lanes)", ["--hop-s", "1"]),
}
COUNTS = {
    "spread": (1, 10, 100, 200, 300, 400, 1000),
    "apart": (100, 200, 400, 800),
    "in_phase": (100, 300, 1000),
    "resampled": (50, 100, 300, 500),
    "lanes": (50, 100, 200, 400),
}
QUICK_COUNTS = {"spread": (20,), "apart": (), "in_phase": (), "resampled": (20,), "lanes": ()}
PROMISED = ("spread", "apart", "resampled", "lanes")
"""Where one goes on beyond the last count, while it is carried."""
COMPARED = (100, 1000)
N_REPEATS = 3
"""Of the counts that are compared, in shuffled order."""


def ask(n_streams: int, options: list[str], duration_s: float) -> dict | str:
    """What the script found, or why it found nothing."""
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "--counts", str(n_streams)]
    command += ["--model", str(model_path()), "--duration-s", str(duration_s), *options]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=4 * duration_s + 90, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{n_streams} streams did not end in time"
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return f"bench/streams.py failed with {n_streams} streams: {reason[:200]}"
    try:
        return row_of(json.loads(lines[-1]))
    except (KeyError, TypeError, AttributeError) as error:
        return f"bench/streams.py says nothing that is understood here about {error}"


def row_of(found: dict) -> dict:
    """What is needed here of the script's answer; its own verdict, and why."""
    total = found["latency_ms"]["total"]["percentiles"]
    return {
        "n_streams": found["n_streams"],
        "core": found["engine_core"],
        "p50_ms": total.get("p50"),
        "p99_ms": total.get("p99"),
        "dropped": sum(found.get("dropped", {}).values()),
        "lost": found["embeddings"] - found["received"],
        "carried": bool(found["carried"]),
        "why_not": found.get("why_not") or "",
    }


def run(quick: bool) -> dict:
    found: dict[str, list[dict]] = {setting: [] for setting in SETTINGS}
    notes, failed = [], False
    for setting, (label, options) in SETTINGS.items():
        counts = (QUICK_COUNTS if quick else COUNTS)[setting]
        if not counts:
            notes.append(f"{label}: left out of quick runs.")
            continue
        beyond = [round(counts[-1] * times) for times in BEYOND] if setting in PROMISED else []
        for count in (*counts, *([] if quick else beyond)):
            answer = ask(count, options, 6 if quick else 10)
            if isinstance(answer, str):
                notes.append(answer)
                failed = True
                break
            found[setting].append(answer)
            if count >= counts[-1] and not answer["carried"]:
                break
    repeats = [] if quick or failed else again()
    made = part(found, repeats, notes)
    if quick:  # a few streams tell nothing of how many there could be
        made.values.update(dict.fromkeys(made.values))
        made.notes.append("How many streams a core carries is not sought in quick runs.")
    return made.as_dict()


def again() -> list[dict]:
    """The counts whose cost is compared, some more times."""
    order = list(COMPARED) * (N_REPEATS - 1)
    random.Random(SEED).shuffle(order)
    answers = [ask(count, SETTINGS["spread"][1], 10) for count in order]
    return [answer for answer in answers if not isinstance(answer, str)]


def growth(answers: list[dict]) -> float | None:
    """CPU per stream at the larger count over that at the smaller, medians over repeats."""
    each = {
        count: [answer["core"] / count for answer in answers if answer["n_streams"] == count]
        for count in COMPARED
    }
    few, many = (each[count] for count in COMPARED)
    return statistics.median(many) / statistics.median(few) if few and many else None


def part(found: dict[str, list[dict]], repeats: list[dict], notes: list[str]) -> Part:
    rows, series, values = [], [], {}
    for setting, (label, _) in SETTINGS.items():
        answers = found[setting]
        values[f"{setting}_carried"] = None
        if not answers:
            continue
        counts = [answer["n_streams"] for answer in answers]
        each = [1e5 * answer["core"] / answer["n_streams"] for answer in answers]
        good = [count for count, answer in zip(counts, answers, strict=True) if answer["carried"]]
        values[f"{setting}_carried"] = max(good, default=0)
        rows += [
            [
                label,
                answer["n_streams"],
                100 * answer["core"],
                cost,
                *("" if answer[key] is None else answer[key] for key in ("p50_ms", "p99_ms")),
                answer["dropped"],
                answer["lost"],
                "yes" if answer["carried"] else f"no: {answer['why_not']}",
            ]
            for answer, cost in zip(answers, each, strict=True)
        ]
        series.append(Series(label, counts, each))
    values["growth"] = growth([*found["spread"], *repeats])
    table = Table(
        "Streams on one core",
        "A count is carried if no sample and no embedding was lost and 99 of 100 segments were decoded within a hop of their last "
        "sample; a percentile that has too few segments for it is left out.",
        [
            "streams",
            "count",
            "% of a core",
            "% of a core, 1,000 streams",
            "p50, ms",
            "p99, ms",
            "samples lost",
            "embeddings lost",
            "carried",
        ],
        rows,
    )
    picture = Picture(
        "capacity",
        "What a stream costs, by how many there are",
        "A line that falls or stays level means that a thousand streams cost no more each than a hundred.",
        "lines",
        "streams",
        "% of a core, for 1,000 streams",
        series,
        logarithmic="xy",
    )
    return Part(
        "Streams per core",
        "The engine runs on one core with all its publishing; another core stands for the sound cards and for a subscriber in "
        "another process. Sound is due every 10 ms and given when it is due, never in a hot loop.",
        values,
        [table] if rows else [],
        [picture] if series else [],
        notes,
        raw={**found, "repeats": repeats},
    )
