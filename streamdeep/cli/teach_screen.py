"""What ``streamdeep teach`` shows, to people and to programs."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from streamdeep.cli.teach_keys import CLASS_KEYS, UNKNOWN_KEY
from streamdeep.cli.teach_lesson import Lesson
from streamdeep.heads.settings import UNKNOWN
from streamdeep.teaching.example import Meaning
from streamdeep.teaching.examples import Examples
from streamdeep.teaching.judging import Score
from streamdeep.teaching.learner import Learnt
from streamdeep.wire.trouble import ConnectionState

_HELP = (
    "a class's key begins, once more it ends; or hold it · l key: the last seconds were it · n key: it is not · "
    "r key: the last naming is it\nc new class · u undo · d delete the last naming · Tab next stream · s save · "
    "q save and end"
)
_BAR_CELLS = 20


def percent(share: float | None) -> str:
    """A share for people."""
    return "-" if share is None else f"{share:.0%}"


def accuracy_line(learnt: Learnt) -> str:
    """How good the head is, in a line that also says when that cannot be told."""
    if learnt.accuracy is None:
        return "accuracy: cannot be told yet; name each class at least twice"
    tried = ", ".join(f"{name} {percent(one)}" for name, one in learnt.accuracies.items())
    return (
        f"accuracy on takes left out: {percent(learnt.accuracy)}  ({tried}; taken: {learnt.method})"
    )


def scores_table(scores: dict[Meaning, Score]) -> Table:
    """A row per meaning: how many takes there are, and how many were right when left out."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("class", "takes", "segments", "right when left out"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for meaning, score in scores.items():
        right = f"{score.right} of {score.judged}" if score.judged else "one take: cannot be told"
        table.add_row(Text(str(meaning)), str(score.takes), str(score.segments), right)
    return table


def as_dict(learnt: Learnt) -> dict[str, Any]:
    """What was learnt, for programs."""
    return {
        "labels": list(learnt.labels),
        "method": learnt.method,
        "accuracy": learnt.accuracy,
        "accuracies": dict(learnt.accuracies),
        "calibrated": learnt.calibrated,
        "classes": [
            {
                "label": meaning.label,
                "not": meaning.negative,
                "takes": score.takes,
                "segments": score.segments,
                "judged": score.judged,
                "right": score.right,
            }
            for meaning, score in learnt.scores.items()
        ],
        "note": learnt.note,
    }


def screen(
    lesson: Lesson, connections: Sequence[ConnectionState], said: str, prompt: str, last_s: float
) -> Group:
    """Everything: the stream, the classes and their keys, what is heard, what was done."""
    teacher, parts = lesson.teacher, list[Text | Table]()
    for one in connections:
        if one.trouble:
            parts.append(Text(f"{one.endpoint}: {one.trouble}", "yellow"))
    going = teacher.going_on(lesson.stream) if lesson.stream is not None else None
    head = Text(f"{lesson.stream or 'waiting for embeddings ...'}", "bold")
    if going is not None:
        head.append(f"   ● naming: {going}", "bold red")
    parts += [head, _classes(lesson, teacher.examples)]
    if lesson.learnt is not None:
        parts.append(Text(accuracy_line(lesson.learnt), "green"))
        if lesson.learnt.note:
            parts.append(Text(lesson.learnt.note, "yellow"))
    else:
        parts.append(Text("two classes are needed; 0, unknown, is one of them", "dim"))
    if waiting := len(teacher.waiting()):
        parts.append(Text(f"{waiting} naming(s) still get segments", "dim"))
    parts += [Text(prompt or said, "bold" if prompt else "default"), Text(_HELP, "dim")]
    parts.append(Text(f"the last seconds: {last_s:g}", "dim"))
    return Group(*parts)


def _classes(lesson: Lesson, examples: Examples | None) -> Table:
    guesses = dict(lesson.guess())
    learnt = lesson.learnt.scores if lesson.learnt is not None else {}
    meanings = [Meaning(label) for label in (*lesson.classes, UNKNOWN)]
    named = examples.all if examples is not None else ()
    meanings += [m for m in dict.fromkeys(one.meaning for one in named) if m.negative]
    keys = dict(zip(lesson.classes, CLASS_KEYS, strict=False)) | {UNKNOWN: UNKNOWN_KEY}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("key", "class", "takes", "segments", "right when left out", "sounds like it"):
        table.add_column(column, no_wrap=True)
    best = max(guesses, key=lambda label: guesses[label], default=None)
    for meaning in meanings:
        own = [one for one in named if one.meaning == meaning]
        score = learnt.get(meaning, Score())
        chance = None if meaning.negative else guesses.get(meaning.label)
        bar = (
            ""
            if chance is None
            else f"{'█' * round(chance * _BAR_CELLS):<{_BAR_CELLS}} {chance:.0%}"
        )
        table.add_row(
            "" if meaning.negative else keys.get(meaning.label, ""),
            Text(str(meaning), "bold" if meaning.label == best and not meaning.negative else ""),
            str(len({one.take for one in own})),
            str(len(own)),
            f"{score.right} of {score.judged}" if score.judged else "-",
            Text(bar, "green" if meaning.label == best else "dim"),
        )
    return table
