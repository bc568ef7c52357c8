"""``results.json``, and ``RESULTS.md`` with its pictures, out of what a run of the suite found.

Nothing is typed in by hand, except for ``notes.md`` beside this module: what was tried where a goal is not reached, and
what a profile shows. It is appended as it is.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.goals import GOALS, judged
from bench.measure import number
from bench.pictures import draw

NOTES = Path(__file__).with_name("notes.md")
BUSY_CORES = 0.2
"""With more than this in use by others, a run is told as one of a shared machine."""

HEAD = """# Results

Written by `make bench` from `results.json`, which also has the raw figures. Every figure is a ratio to a peer, or to a limit,
measured in the same run: absolute times belong to the machine and the hour, ratios do much less. Contenders run in
shuffled order in every round, ratios are taken within a round, and medians with quartiles over rounds are shown. Everything,
peers included, has one thread. *Paced* calls come at the hop of live sound, with sleep between; they take longer than a
hot loop's, for everybody, and are what a live program sees.
"""


def write(results: Mapping[str, Any], folder: Path) -> Path:
    """Write all of it into a folder; returns the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    for part in results["parts"].values():
        for picture in part.get("pictures", []):
            draw(picture, folder / "pictures")
    path = folder / "RESULTS.md"
    notes = NOTES.read_text() if NOTES.is_file() else None
    path.write_text(markdown(results, notes=notes))
    return path


def markdown(results: Mapping[str, Any], *, notes: str | None = None) -> str:
    """The report's text."""
    blocks = [HEAD, *circumstances(results), "## Goals\n", goals(results["parts"])]
    for name, part in results["parts"].items():
        blocks += section(name, part)
    if notes is not None:
        blocks.append(notes)
    return "\n".join(blocks).rstrip() + "\n"


def circumstances(results: Mapping[str, Any]) -> Iterator[str]:
    if results["quick"]:
        yield "**A quick run: it shows that everything works, its figures mean little.**\n"
    machine, changed = results["machine"], results["changed_files"]
    commit = (results["commit"] or "unknown")[:12] + (
        f" and {changed} changed files" * bool(changed)
    )
    rows = [
        ["when", results["when"]],
        ["commit", commit],
        ["machine", f"{machine['cpu']}, {machine['cores']} cores"],
        ["system", machine["system"]],
        ["versions", ", ".join(f"{name} {found}" for name, found in results["versions"].items())],
        ["seed", str(results["seed"])],
    ]
    yield table(["", ""], rows)
    busy = [
        part[key]["busy_cores"] or 0.0
        for part in results["parts"].values()
        for key in ("load_before", "load_after")
    ]
    if busy and max(busy) > BUSY_CORES:
        yield (
            f"**Others used up to {number(max(busy))} cores before or after parts: these are figures of a shared machine.** Ratios "
            "within a round suffer little, tails and capacities much.\n"
        )


def goals(parts: Mapping[str, Any]) -> str:
    rows = [[goal.figure, goal.wanted, *judged(goal, parts)] for goal in GOALS]
    return table(["figure", "goal", "found", ""], rows)


def section(name: str, part: Mapping[str, Any]) -> Iterator[str]:
    if "failed" in part:
        yield f"## {name}\n\nNot measured: {part['failed']}\n"
        return
    yield f"## {part['title']}\n\n{part['about']}\n"
    for found in part["tables"]:
        yield f"### {found['title']}\n\n{found['says']}\n"
        yield table(found["columns"], found["rows"])
    for picture in part["pictures"]:
        yield f"![{picture['title']}](pictures/{picture['name']}.png)\n\n{picture['says']}\n"
    for note in part["notes"]:
        yield f"- {note}\n"
    before, after = part["load_before"], part["load_after"]
    yield (
        f"*Took {number(part['took_s'])} s; cores in use by others before {load(before)}, after {load(after)}; load average "
        f"{load(before, 'average_1_min')} and {load(after, 'average_1_min')}; commit {(part['commit'] or 'unknown')[:12]}, "
        f"{part['when']}.*\n"
    )


def load(found: Mapping[str, float | None], key: str = "busy_cores") -> str:
    value = found[key]
    return "unknown" if value is None else f"{value:.2f}"


def table(columns: list[str], rows: list[list[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(cell, line))} |\n" for line in lines)


def cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
