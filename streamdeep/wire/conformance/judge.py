"""Compares what a client printed with what a correct one prints. Pure: lines in, verdicts out."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from streamdeep.wire.conformance.case import Case, Line

_AGE_EARLY_S: Final = 0.1  # clocks with a coarse step
_AGE_LATE_S: Final = 10.0  # a busy machine
_SHOWN: Final = 160


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case.

    Attributes:
        case: its name.
        fault: empty if it passed, else the first thing that is wrong.
    """

    case: str
    fault: str = ""


def judge(cases: Sequence[Case], printed: Iterable[str]) -> list[Verdict]:
    """A verdict on each case, and one more on lines that belong to none, if there are any.

    Args:
        cases: as they were played.
        printed: the client's lines on standard output.
    """
    by_stream: dict[str, list[dict[str, Any]]] = {case.name: [] for case in cases}
    strange: list[str] = []
    for text in printed:
        found = _read(text)
        if found is None or found.get("stream") not in by_stream:
            strange.append(text.strip()[:_SHOWN])
        else:
            by_stream[found["stream"]].append(found)
    verdicts: list[Verdict] = []
    refused = 0
    for case in cases:
        lines = by_stream[case.name]
        fault = _compare(case.lines, lines)
        counts = [line.get("refused") for line in lines]
        if not fault:
            fault = _refused_fault(case, counts, refused)
        # Counts run on over all cases: a client that is wrong in one is not wrong in all that follow.
        last = counts[-1] if counts else None
        refused = last if isinstance(last, int) else refused
        verdicts.append(Verdict(case.name, fault))
    if strange:
        verdicts.append(Verdict("other lines", f"belongs to no case: {strange[0]!r}"))
    return verdicts


def _read(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("stream"), str) else None


def _compare(expected: Sequence[Line], found: Sequence[Mapping[str, Any]]) -> str:
    # An optional line is left out of what is expected if the client has left it out.
    waiting: list[Line] = []
    for line in expected:
        place = len(waiting)
        if line.optional and (place >= len(found) or _differs(line, found[place])):
            continue
        waiting.append(line)
    for wanted, got in zip_longest(waiting, found):
        if wanted is None:
            return f"a line too many: {_short(got)}"
        if got is None:
            return f"a line is missing: {_short(wanted.values)}"
        if fault := _differs(wanted, got):
            return f"{_short(wanted.values)}: {fault}"
    return ""


def _differs(line: Line, found: Mapping[str, Any]) -> str:
    for key, value in line.values.items():
        got = found.get(key)
        if not _same(value, got):
            return f"{key} must be {_cut(value)}, found {_cut(got) if key in found else 'nothing'}"
    if line.age_s is not None:
        age_s: Any = found.get("age_s")
        if not _is_number(age_s) or not -_AGE_EARLY_S <= age_s - line.age_s <= _AGE_LATE_S:
            shown = _cut(age_s) if "age_s" in found else "nothing"
            return f"age_s must be {line.age_s} or a little more, found {shown}"
    return ""


def _refused_fault(case: Case, counts: Sequence[Any], before: int) -> str:
    if not all(map(_is_integer, counts)):
        return "refused must be an integer in every line"
    n_refused = counts[-1] - before
    if n_refused == case.refused:
        return ""
    return f"{case.refused} messages must be refused and counted, found {n_refused}"


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_same, wanted, found))  # fmt: skip
    if isinstance(wanted, float):
        return _is_number(found) and math.isclose(found, wanted, rel_tol=1e-5, abs_tol=1e-7)
    return type(found) is type(wanted) and bool(found == wanted)


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _short(line: Mapping[str, Any]) -> str:
    return f"{line.get('kind')} {line.get('sequence')}"


def _cut(value: Any) -> str:
    return repr(value)[:60]
