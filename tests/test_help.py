"""Every command explains itself: an example that can be typed, no word lost on the way to the screen, completion."""

import inspect
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
from rich.text import Text

from streamdeep.cli import COMMANDS, _register, app
from streamdeep.cli.completion import command_line
from streamdeep_trainer.cli import app as trainer


def walk(command, name):
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{name} {word}")


def all_commands():
    argv, sys.argv = sys.argv, ["streamdeep"]
    _register()
    sys.argv = argv
    for program, name in ((app, "streamdeep"), (trainer, "streamdeep-train")):
        yield from walk(typer.main.get_command(program), name)


FOUND = dict(all_commands())
LEAVES = {name: command for name, command in FOUND.items() if not hasattr(command, "commands")}


def examples(command):
    """The command lines after ``Example:``; a line that ends with a backslash goes on."""
    text = inspect.cleandoc(command.help or "").replace("\\\n", " ")
    return re.findall(r"^Examples?: (.*)$", text, re.MULTILINE)


def test_all_commands_are_walked():
    assert {name.split()[1] for name in FOUND if name.startswith("streamdeep ")} >= set(COMMANDS)
    assert len(LEAVES) > 30


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_an_example_that_parses(name):
    found = examples(LEAVES[name])
    assert found, f"{name} --help has no line that begins with Example:"
    mine = [line for line in found if name in line]
    assert mine, f"no example of {name} is one of it"
    for line in found:
        words = shlex.split(line)
        programs = [
            at for at, word in enumerate(words) if word in ("streamdeep", "streamdeep-train")
        ]
        assert programs, line
        for at in programs:
            parse(words[at:])


def parse(words):
    """Parse a command line as far as can be without running it."""
    end = next((at for at, word in enumerate(words) if word in ("|", "&&", ";", "&", ">")), None)
    program, *arguments = words[:end]
    command = FOUND[program]
    context = command.make_context(program, arguments)
    while hasattr(command, "commands"):
        # What click itself does with the words that are left for the command.
        rest = [*context._protected_args, *context.args]
        word, command, rest = command.resolve_command(context, rest)
        context = command.make_context(word, rest, parent=context)


@pytest.mark.parametrize("name", [name for name in FOUND if name.startswith("streamdeep ")])
def test_no_word_and_no_bracket_of_the_help_is_lost(command, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERM", "dumb")
    code, out, _ = command(*name.split()[1:], "--help")
    assert code == 0

    def squeezed(text):
        return re.sub(r"[\s│]+", "", text)

    shown = squeezed(Text.from_ansi(out).plain)
    for written in (FOUND[name].help, *(getattr(one, "help", None) for one in FOUND[name].params)):
        for line in filter(None, inspect.cleandoc(written or "").splitlines()):
            assert squeezed(line) in shown


# --- completion ------------------------------------------------------------------------------------------


def completed(line):
    """What bash would be offered at the end of the line."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", "from streamdeep.cli import main; import sys; sys.argv[0] = 'streamdeep'; main()"],
        env={**os.environ, "_STREAMDEEP_COMPLETE": "complete_bash", "COMP_WORDS": line,
             "COMP_CWORD": str(len(words) - 1)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.split()


def test_commands_options_and_values_are_completed():
    assert completed("streamdeep re") == ["record", "replay", "recordings", "report"]
    assert "--gain-db" in completed("streamdeep classify --")
    assert completed("streamdeep run --pace ") == ["realtime", "max"]
    assert completed("streamdeep doctor m") == ["mic"]


def test_only_the_command_that_is_named_is_imported_to_complete_it(monkeypatch):
    monkeypatch.setenv("_STREAMDEEP_COMPLETE", "complete_zsh")
    for line, words in (("streamdeep re", ["streamdeep"]), ("streamdeep run --p", ["streamdeep", "run"]),
                        ("streamdeep run ", ["streamdeep", "run"])):  # fmt: skip
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        assert command_line() == words
    monkeypatch.delenv("_STREAMDEEP_COMPLETE")
    assert command_line() == []


def test_the_script_for_the_shell_is_shown():
    done = subprocess.run(
        [sys.executable, "-c", "from streamdeep.cli import main; import sys; sys.argv[0] = 'streamdeep'; main()",
         "--show-completion", "bash"],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "complete -o default -F _streamdeep_completion streamdeep" in done.stdout
