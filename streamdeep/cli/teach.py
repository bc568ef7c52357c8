"""``streamdeep teach``: a head from a few examples, of folders, of a recording with labels, or of what is heard now."""

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from streamdeep.cli.options import Connect, Identity, OnlyStreams
from streamdeep.cli.stopping import Stopping
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.heads.settings import UNKNOWN
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.writable import refuse_unwritable

if TYPE_CHECKING:
    from streamdeep.cli.teach_live import LiveTeaching
    from streamdeep.teaching.examples import Examples

Choice = Literal["auto", "prototypes", "logistic"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("teach")(teach)


def teach(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A sub-folder of sound files per class. [default: the live stream]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the head goes. [default: that of --head]")
    ] = None,
    head: Annotated[
        Path | None, typer.Option(help="A head to go on with; it carries its examples.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--class", help="A class to be taught live. Repeatable.")
    ] = None,
    connect: Connect = None,
    identity: Identity = None,
    stream: OnlyStreams = None,
    last: Annotated[
        float, typer.Option("--last-s", min=0.1, help="How much of the past the key l names.")
    ] = 3.0,
    script: Annotated[
        Path | None,
        typer.Option(
            help="Orders, a line of JSON each, in place of keys. [default: standard input]"
        ),
    ] = None,
    recording: Annotated[
        Path | None, typer.Option(help="A recording or sound file to which --labels belong.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Its labels: .txt (Audacity), .csv or .jsonl.")
    ] = None,
    rest_unknown: Annotated[
        bool, typer.Option("--rest-unknown", help="What has no label there is background.")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(envvar="STREAMDEEP_MODEL", help="Model for files. [default: the embedded]"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the head is called. [default: as its file]")
    ] = None,
    method: Annotated[Choice, typer.Option(help="auto is what does better.")] = "auto",
    without_examples: Annotated[
        bool,
        typer.Option("--without-examples", help="Write a head to hand on: it cannot be continued."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Teach a head your own classes: name what is heard, see how well it does, go on any time.

    Live, it connects to a running engine; in a terminal by keys, otherwise by lines of JSON. The class `unknown` is
    background, and all that is none of your classes.

    Example: streamdeep teach --class kettle --class doorbell --out my-head.onnx
    """
    if (recording is None) != (labels is None):
        raise ConfigurationError("--recording and --labels belong together")
    if folder is not None and recording is not None:
        raise ConfigurationError("a folder or a --recording, not both; go on with --head")
    console = Console(stderr=True, highlight=False)
    target, examples, known = _begin(out, head, console)
    if folder is not None or (recording is not None and labels is not None):
        from streamdeep.cli.teach_files import from_clips, from_recording

        if folder is not None:
            quiet = as_json or not console.is_terminal
            taught = from_clips(folder, model, examples, console, quiet=quiet)
        else:
            assert recording is not None
            assert labels is not None
            taught = from_recording(
                recording, labels, model, examples, console, rest_is_unknown=rest_unknown
            )
        _finish(target, taught, method, name, console, keep=not without_examples, as_json=as_json)
        return
    from streamdeep.cli.teach_lesson import Lesson
    from streamdeep.cli.teach_live import LiveTeaching
    from streamdeep.teaching.example import Meaning
    from streamdeep.teaching.teacher import Teacher

    classes = [*known, *(Meaning(one).label for one in label or ())]
    lesson = Lesson(
        Teacher(examples), target, classes, name=name, keep=not without_examples, method=method
    )  # fmt: skip
    with Stopping() as stopping:
        teaching = LiveTeaching(
            lesson, connect or (DEFAULT_ENDPOINT,), stream or (), identity, lambda: stopping.asked
        )
        try:
            if script is None and sys.stdin.isatty() and Console().is_terminal and not as_json:
                teaching.by_keys(last)
            else:
                _by_lines(teaching, script)
        finally:
            lesson.close()
    if lesson.learnt is not None and not as_json and target.is_file():
        from streamdeep.cli.teach_screen import accuracy_line

        console.print(f"{target}: {accuracy_line(lesson.learnt)}", markup=False, soft_wrap=True)


def _begin(
    out: Path | None, head: Path | None, console: Console
) -> tuple[Path, "Examples | None", list[str]]:
    """Where the head goes, the examples to go on with, and the classes that are known already.

    Raises:
        ConfigurationError: it would replace what it does not continue, or cannot be written.
    """
    from streamdeep.teaching.headfile import load_taught

    target, examples, known = out or head, None, list[str]()
    if target is None:
        raise ConfigurationError("--out is needed: where the head goes, like --out my-head.onnx")
    if target.suffix != ".onnx":
        raise ConfigurationError(f"--out {target} must end in .onnx")
    continued = False
    if head is not None:
        former, examples = load_taught(head)
        known = [one for one in former.contract.labels if one != UNKNOWN]
        continued = examples is not None
        if examples is None:
            console.print(
                f"{head} carries no examples, so it cannot be continued: its {len(former.contract.labels)} classes "
                "are offered, each to be taught anew",
                markup=False, soft_wrap=True,
            )  # fmt: skip
    if target.exists() and not (continued and head is not None and target.samefile(head)):
        raise ConfigurationError(
            f"{target} is there already; go on with it by --head {target}, or choose another --out"
        )
    refuse_unwritable(target, "--out")
    return target, examples, known


def _by_lines(teaching: "LiveTeaching", script: Path | None) -> None:
    if script is None:
        teaching.by_lines(sys.stdin)
        return
    try:
        with script.open(encoding="utf-8") as file:
            teaching.by_lines(file)
    except OSError as error:
        raise SourceError(f"cannot read {script}: {error.strerror or error}") from error


def _finish(
    target: Path,
    examples: "Examples",
    method: Choice,
    name: str | None,
    console: Console,
    *,
    keep: bool,
    as_json: bool,
) -> None:
    """Learn, save, and say how good it is."""
    from streamdeep.cli.teach_screen import accuracy_line, as_dict, scores_table
    from streamdeep.teaching.headfile import save_head
    from streamdeep.teaching.learner import learn

    with console.status("learning ...") if console.is_terminal else contextlib.nullcontext():
        learnt = learn(examples, method=method)
    head = save_head(target, learnt, examples, name=name, keep=keep)
    if as_json:
        about = {"out": str(target), "head": head.name, "model": examples.encoder.hex()}
        typer.echo(json.dumps({**about, **as_dict(learnt)}))
        return
    shown = Console(highlight=False)
    shown.print(scores_table(learnt.scores))
    shown.print(accuracy_line(learnt), markup=False, soft_wrap=True)
    if learnt.note:
        shown.print(learnt.note, markup=False, soft_wrap=True)
    shown.print(
        f"{target}: try it with streamdeep classify --head {target}", markup=False, soft_wrap=True
    )
