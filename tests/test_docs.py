"""What README and docs/ tell people to type is what the programs understand, and it runs.

A block is a fence of ``sh`` or one without a language that begins with one of our programs. One that cannot run everywhere says
so in its title, "Needs ...": its commands are parsed by the real command lines all the same. What else there is: ``python``, run
as it stands; ``toml``, read as the configuration it is. Running the commands themselves takes minutes: a system test, with a sound file
as the microphone.
"""

import ast
import json
import os
import re
import select
import shlex
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
import wire_engine
import zmq
from places import ROOT

from streamdeep import cli
from streamdeep.cli.classify_settings import settings_from as classify_settings
from streamdeep.cli.run_settings import settings_from as run_settings
from streamdeep.config import load_toml
from streamdeep.wire import trouble
from streamdeep_trainer import cli as trainer
from streamdeep_trainer.comparing.spec import load_spec
from streamdeep_trainer.config import Recipe

ENDPOINT = "tcp://127.0.0.1:5757"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OURS = ("streamdeep", "streamdeep-train")
SERVERS = ("run", "classify", "watch", "hub", "bridge", "replay", "dashboard", "send")
MAIN = "import sys; from streamdeep_trainer.program import main; sys.argv[0] = 'streamdeep-train'; main()"


@dataclass(frozen=True)
class Fence:
    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"

    @property
    def runs(self):
        return not self.title.startswith("Needs ")

    def commands(self):
        """Lists of words, comments left out, one for each command of each line."""
        found = []
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            parts = [[]]
            for word in words:
                if word in ("|", "&&"):
                    parts.append([])
                else:
                    parts[-1].append(word)
            found += [part for part in parts if part]
        return found


def fences():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            language, title, body = found[1], found[2] or "", found[3]
            first = body.lstrip().split(maxsplit=1)
            if not language and first and first[0] in OURS:
                language = "sh"
            number = text.count("\n", 0, found.start()) + 1
            yield Fence(str(page.relative_to(ROOT)), number, language, title, body)


FENCES = list(fences())
SHELL = [fence for fence in FENCES if fence.language == "sh"]


def of(language):
    return [fence for fence in FENCES if fence.language == language]


def place(fence):
    return fence.place


# --- what is typed is understood -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["streamdeep"])
        cli._register()
    return {
        "streamdeep": typer.main.get_command(cli.app),
        "streamdeep-train": typer.main.get_command(trainer.app),
    }


def resolve(programs, words):
    """The command that words name, and the rest of them."""
    command, rest = programs[words[0]], list(words[1:])
    while getattr(command, "commands", None) and rest:
        assert rest[0] in command.commands, f"{' '.join(words)}: no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    return command, rest


def misunderstood(programs, words):
    """What is wrong with a command of ours, pip or make; empty if nothing is."""
    while words and re.fullmatch(r"\w+=\S*", words[0]):
        words = words[1:]
    program = Path(words[0]).name if words else ""
    if program in OURS:
        command, rest = resolve(programs, [program, *words[1:]])
        if "--help" in rest or "--version" in rest:
            return ""
        try:
            command.make_context(words[0], rest)
        except Exception as error:  # whatever the parser says is the finding
            return f"{' '.join(words)}: {getattr(error, 'message', error)!s}"
    if program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        asked = {
            name
            for word in words
            for part in re.findall(r"\[(.*)\]", word)
            for name in part.split(",")
        }
        return ", ".join(sorted(asked - set(extras)))
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return ", ".join(word for word in words[1:] if "=" not in word and word not in targets)
    return ""


@pytest.mark.parametrize("fence", SHELL, ids=place)
def test_every_command_is_one_that_the_programs_understand(fence, programs):
    wrong = [misunderstood(programs, words) for words in fence.commands()]
    assert [one for one in wrong if one] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_named_in_a_sentence_exists(page, programs):
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in re.findall(r"`(streamdeep(?:-train)? [a-z][^`\n]*)`", prose):
        words = found.split()
        if words[1] == "bridge" and len(words) > 2 and words[2] == "...":
            continue
        command, rest = resolve(programs, words)
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        known.add("--help")
        unknown = [word for word in rest if word.startswith("--") and word not in known]
        assert unknown == [], found


def test_the_parser_of_these_tests_finds_what_is_wrong(programs):
    assert misunderstood(programs, ["streamdeep", "run", "mic"]) == ""
    assert "--recrd" in misunderstood(programs, ["streamdeep", "run", "mic", "--recrd", "x"])
    assert misunderstood(programs, ["streamdeep", "hub", "--history", "many"])
    assert misunderstood(programs, ["pip", "install", ".[trian]"]) == "trian"
    assert misunderstood(programs, ["make", "teh-tests"]) == "teh-tests"
    with pytest.raises(AssertionError, match="no command"):
        misunderstood(programs, ["streamdeep", "ran"])
    assert len(SHELL) > 30
    assert sum(fence.runs for fence in SHELL) > 12


@pytest.mark.parametrize("fence", of("toml"), ids=place)
def test_a_configuration_is_one_that_is_read(fence, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(fence.text)
    keys = tomllib.loads(fence.text)
    if "system" in keys:
        load_spec(path)
    elif {"decision", "head", "novelty"} & keys.keys():
        classify_settings(path, {}, {}, ())
    elif isinstance(keys.get("model"), dict):  # a table: a recipe
        load_toml(path, Recipe)
    else:
        run_settings(path, {} if "streams" in keys or "audio_in" in keys else {"source": "mic"})


@pytest.mark.parametrize("fence", of("json"), ids=place)
def test_json_is_json(fence):
    json.loads(fence.text)


@pytest.mark.parametrize("fence", of("jsonl"), ids=place)
def test_lines_of_json_are_lines_of_json(fence):
    assert [json.loads(line) for line in fence.text.splitlines()]


@pytest.mark.parametrize("fence", of("python"), ids=place)
def test_python_compiles_and_its_imports_exist(fence):
    tree = ast.parse(fence.text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), fence.place, "exec"), {})


# --- Python runs as it stands ----------------------------------------------------------------------------------

SUBSCRIBE = [fence for fence in of("python") if fence.page == "docs/subscribe.md"]
PRINTS = (
    r"a 0\.00 s \(4,\) -20\.0\n(.*\n)+0 lost on the way",
    r"a 0 \[0\. 0\. 0\.\]\n",
    rf"(?s)(?=.*{ENDPOINT} is up\n)(?=.*a 29\n).*\n0 lost, \{{\}} errors in callbacks",
    r"a 0\n\d+ skipped",
    r"stream +captured_utc +level_dbfs\n(.*\n)+\(20, 4\) fixed_size_list<.*: float(32)?.*>\[4\]",
    rf"embedding/a/ \d+ received, 0 lost, age \d\.\d+\n(.*\n)*{ENDPOINT} connected",
)


def test_every_snippet_has_an_expected_output():
    assert len(SUBSCRIBE) == len(PRINTS)


@pytest.mark.parametrize("index", range(len(PRINTS)))
def test_a_snippet_of_subscribe_runs_as_it_stands(index):
    process, endpoint = wire_engine.start(
        "tcp://127.0.0.1:*", "a", period_s=0.02, n_most=30, wait=True
    )
    # Only the address and the patience are others here.
    script = SUBSCRIBE[index].text.replace(ENDPOINT, endpoint)
    script = script.replace("timeout_s=10", "timeout_s=0.5").replace("receive(1.0)", "receive(0.3)")
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        wire_engine.end(process)
    assert done.stderr == ""
    assert done.returncode == 0
    assert re.search(PRINTS[index], done.stdout.replace(endpoint, ENDPOINT)), done.stdout


def test_every_trouble_that_is_told_is_explained():
    text = (ROOT / "docs" / "subscribe.md").read_text()
    mismatch, keys = (
        zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH, zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC,
    )  # fmt: skip
    failures = [
        (zmq.Event.HANDSHAKE_FAILED_AUTH, 400),
        (zmq.Event.HANDSHAKE_FAILED_NO_DETAIL, 0),
        (zmq.Event.HANDSHAKE_FAILED_PROTOCOL, mismatch),
        (zmq.Event.HANDSHAKE_FAILED_PROTOCOL, keys),
    ]
    told = {trouble.NOT_YET, trouble.LOST} | {
        trouble.handshake_trouble(*failure, encrypted=encrypted)
        for failure in failures
        for encrypted in (False, True)
    }
    assert len(told) > 6
    assert [each for each in told if f"| {each} |" not in text] == []


# --- commands run, a sound file is the microphone --------------------------------------------------------------

PLAYED_S = 6
BEGINS_S = 60.0


def noises(folder):
    """Sounds of three kinds, several clips of each; the microphone; a file as long as it takes."""
    random, rate_hz = np.random.default_rng(0), 44_100
    time_s = np.arange(PLAYED_S * rate_hz) / rate_hz
    for kind, hz in (("door", 300), ("kettle", 1200), ("rain", 0)):
        (folder / "sounds" / kind).mkdir(parents=True)
        for number in range(6):
            tone = 0.3 * np.sin(2 * np.pi * hz * random.uniform(0.9, 1.1) * time_s)
            samples = tone + random.uniform(0.01, 0.1) * random.standard_normal(len(time_s))
            soundfile.write(folder / "sounds" / kind / f"{number}.wav", samples, rate_hz)
    (folder / "recordings").mkdir()
    for name in ("mic.wav", "street.flac", "doorbell.wav", "recordings/yard.wav"):
        soundfile.write(folder / name, 0.1 * random.standard_normal(20 * rate_hz), rate_hz)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A page to its folder: what one of its blocks makes, the next may use; other pages' work is not there."""
    heard = tmp_path_factory.mktemp("heard")
    noises(heard)

    @cache
    def of_page(page):
        folder = tmp_path_factory.mktemp(Path(page).stem)
        for path in (*heard.iterdir(), ROOT / "trainer"):
            (folder / path.name).symlink_to(path)
        return folder

    return of_page


class Session:
    """A terminal: programs that go on are started one beside the other, and end well when they are told to."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {}
        self.going_on = []
        self.environment = {
            **os.environ,
            "BROWSER": "true",  # the program that does nothing
            "STREAMDEEP_BIND": self.elsewhere(ENDPOINT),
            "STREAMDEEP_CONNECT": self.elsewhere(ENDPOINT),
        }

    def elsewhere(self, text):
        """Ports of this machine that nobody uses, always the same for the same one."""

        def port(found):
            if found[1] not in self.ports:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    self.ports[found[1]] = free.getsockname()[1]
            return f"127.0.0.1:{self.ports[found[1]]}"

        return re.sub(r"127\.0\.0\.1:(\d+)", port, text)

    def do(self, words):
        """Run what ends; start what goes on, and wait until it says something or has had time."""
        if words[0] == "pip":
            return
        if words[0] == "streamdeep" and words[1] in ("run", "replay"):
            self.end("run", "replay")
        named = [re.sub(r"^mic(:\w+)?$", "mic.wav", self.elsewhere(word)) for word in words]
        program = {"streamdeep": ["-m", "streamdeep"], "streamdeep-train": ["-c", MAIN]}.get(
            words[0]
        )
        line = [sys.executable, *program, *named[1:]] if program else named
        process = subprocess.Popen(
            line,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.going_on.append((words, process))
        goes_on = words[0] == "streamdeep" and words[1] in SERVERS
        if goes_on and not {"--once", "--count", "--remove"}.intersection(words):
            select.select([process.stdout], [], [], BEGINS_S)  # it says something, or ends
        else:
            self.finish(words, process, 180)

    def finish(self, words, process, timeout_s):
        out, _ = process.communicate(timeout=timeout_s)
        self.going_on.remove((words, process))
        # 66: `devices` has nothing to show. 1: `doctor` finds something broken, and says so.
        fine = {"devices": (0, 66, 69), "doctor": (0, 1)}.get(words[1], (0,))
        assert process.returncode in fine, f"{' '.join(words)}: {process.returncode}\n{out}"
        assert "Traceback" not in out

    def end(self, *commands):
        # The last one first: what sends to another one may then say that it ends.
        for words, process in self.going_on[::-1]:
            if not commands or words[1] in commands:
                process.terminate()
                self.finish(words, process, 60)

    def close(self):
        for _, process in self.going_on:
            process.kill()
            process.communicate()


RUNNABLE = [fence for fence in SHELL if fence.runs]


@pytest.mark.system
@pytest.mark.parametrize("fence", RUNNABLE, ids=place)
def test_the_commands_of_a_block_run(fence, sandbox):
    session = Session(sandbox(fence.page))
    try:
        first = fence.commands()[0]
        if (
            first[0] == "streamdeep"
            and first[1] in ("classify", "watch", "streams")
            and "mic" not in first
        ):
            session.do(["streamdeep", "run", "street.flac"])  # what runs in the other terminal
        for words in fence.commands():
            session.do(words)
        session.end()
    finally:
        session.close()


@pytest.mark.system
@pytest.mark.parametrize(
    "fence", [fence for fence in of("python") if fence not in SUBSCRIBE], ids=place
)
def test_python_on_other_pages_runs_beside_an_engine(fence, sandbox):
    session = Session(sandbox(fence.page))
    try:
        session.do(["streamdeep", "run", "street.flac"])
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", session.elsewhere(fence.text)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, err = process.communicate(timeout=8)  # most of them never end
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
        assert err == ""
        session.end()
    finally:
        session.close()


# --- the site --------------------------------------------------------------------------------------------------


def test_the_picture_of_the_latency_has_the_figures_of_the_bench():
    path = ROOT / "docs" / "site" / "latency_picture.py"
    made = {"__file__": str(path), "__name__": "latency_picture"}
    exec(compile(path.read_text(), str(path), "exec"), made)
    assert made["PICTURE"].read_text() == made["draw"](), "run python docs/site/latency_picture.py"


@pytest.mark.system
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file",
         ROOT / "docs" / "site" / "mkdocs.yml", "--site-dir", tmp_path / "site"],
        capture_output=True, text=True, timeout=300, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    loads = re.compile(
        r"<(?:script|img|iframe|source|link(?! rel=\"(?:canonical|next|prev)\"))\b[^>]*?(?:src|href)=\"([^\"]+)\""
    )
    for page in pages:
        loaded = loads.findall(page.read_text(encoding="utf-8"))
        assert loaded
        assert [address for address in loaded if "//" in address] == [], page
        here = [address for address in loaded if not address.startswith("data:")]
        missing = [one for one in here if not (page.parent / one.split("?")[0]).exists()]
        assert missing == [] or page.name == "404.html", page
    sheets = [path.read_text() for path in (tmp_path / "site").rglob("*.css")]
    assert not any(re.search(r"url\(['\"]?(https?:)?//", text) for text in sheets)
