"""The dashboard's server: what browsers are sent, who may connect, and what they may ask for."""

import contextlib
import json
import re
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from bridge_data import a_label, a_model, a_status, an_embedding, an_event, common
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from streamdeep.cli.dashboard import dashboard as run_dashboard
from streamdeep.dashboard.audience import VIEWERS_MOST, WAITING_MOST, Audience
from streamdeep.dashboard.chart import load_chart
from streamdeep.dashboard.desk import HOLD_MOST_S, Desk
from streamdeep.dashboard.packets import Packet, columns, text
from streamdeep.dashboard.pages import read_pages
from streamdeep.dashboard.scene import STREAMS_MOST, Scene
from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep.heads.head import load_head
from streamdeep.heads.settings import DecisionSettings
from streamdeep.labelling.labeller import Labeller
from streamdeep.records import Embedding, NoveltyScale
from streamdeep.wire.framekinds import FramesMessage
from streamdeep.wire.kinds import ClockPoint
from streamdeep.wire.publisher import Publisher

SECOND_NS = 1_000_000_000


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def vectors(model):
    """Real embeddings: the model's own golden ones, and points between them."""
    first, last = model.contract.golden.embeddings.array()
    return [first + share * (last - first) for share in np.linspace(0, 1, 12, dtype=np.float32)]


@pytest.fixture
def scene():
    return Scene(load_head(), DecisionSettings(), load_chart())


def heard(model, vector, sequence=0, stream="room", **changes):
    message = an_embedding(vector, start_sample=16_000 * sequence, stream=stream, sequence=sequence)
    return replace(message, model=model.short_digest, **changes)


def objects(packets):
    return [json.loads(packet.content) for packet in packets]


# --- what is sent


def test_columns_are_read_back_as_they_were_sent():
    levels = np.arange(12, dtype=np.uint8).reshape(4, 3)
    message = FramesMessage(
        **common(stream="room.north"), epoch=3, start_sample=100, n_samples=7056, sample_rate_hz=44100,
        captured_utc_ns=1_767_225_600_119_456_789, model=bytes(8), start_frame=77, hop_samples=1764,
        low=-90.0, high=-20.0, levels=levels,
    )  # fmt: skip
    packet = columns(message, 160)
    kind, n_name, _, _, n_frames, n_bands, epoch, start, utc_ms, hop_ms, low, high = struct.unpack_from(
        "<4B2HIdd3f", packet.content
    )  # fmt: skip
    assert (kind, n_frames, n_bands, epoch, start, low, high) == (1, 4, 3, 3, 77.0, -90.0, -20.0)
    assert utc_ms == pytest.approx(1_767_225_600_119.4568, abs=0.001)
    assert hop_ms == pytest.approx(40.0)
    assert packet.content[40 : 40 + n_name] == b"room.north"
    assert packet.content[40 + n_name :] == levels.tobytes()


def test_labels_are_those_of_a_labeller(scene, model, vectors):
    labeller = Labeller(load_head(), DecisionSettings())
    for sequence, vector in enumerate(vectors):
        message, now_ns = heard(model, vector, sequence), sequence * SECOND_NS
        (told,) = objects(scene.push(message, now_ns=now_ns))
        (wanted,) = labeller.push(message, now_ns=now_ns)
        assert (told["label"], told["probabilities"]) == (wanted.label, wanted.probabilities)
        assert told["sequence"] == sequence


def test_another_encoders_embeddings_have_neither_label_nor_place(scene, vectors, model):
    (told,) = objects(scene.push(an_embedding(vectors[0]), now_ns=0))
    assert "label" not in told
    assert told["place"] is None
    (described,) = objects(scene.push(a_model(), now_ns=0))
    assert not described["head_fits"]
    assert not described["map_fits"]
    (mine,) = objects(scene.push(replace(a_model(), digest=model.digest), now_ns=0))
    assert mine["head_fits"]
    assert mine["map_fits"]


def test_places_are_those_of_the_model_files_projection(model, vectors):
    chart = load_chart()
    contract = model.contract
    mean = contract.statistics.mean.array().astype(np.float64)
    assert chart.place(mean.astype(np.float32)) == pytest.approx((0, 0), abs=1e-4)
    wanted = contract.projection.array().astype(np.float64) @ (vectors[3] - mean)
    assert chart.place(vectors[3]) == pytest.approx(tuple(wanted))
    assert chart.belongs_to(model.short_digest)
    assert not chart.belongs_to(bytes(8))


def test_what_was_never_heard_is_said_as_classify_says_it(scene, model, vectors):
    statistics = model.contract.statistics
    scale = NoveltyScale(statistics.novelty_probabilities, statistics.novelty_quantiles)
    described = replace(a_model(), digest=model.digest, novelty=scale)
    labeller = Labeller(load_head(), DecisionSettings())
    for one in (scene, labeller):
        one.push(described, now_ns=0)
    seen = set()
    for sequence in range(60):
        novelty = scale.quantiles[0] if sequence < 20 else 3 * scale.quantiles[-1]
        message = heard(model, vectors[0], sequence, novelty=novelty)
        (told,) = objects(scene.push(message, now_ns=sequence * SECOND_NS))
        (wanted,) = labeller.push(message, now_ns=sequence * SECOND_NS)
        assert (told["never_heard"], told["drifting"]) == (
            wanted.noticed.novel,
            wanted.noticed.drifting,
        )
        seen.add(told["never_heard"])
    assert seen == {False, True}


def test_the_board_has_the_ledger_of_the_newest_status(scene):
    scene.push(a_status(1), now_ns=0)
    scene.push(a_status(2, sequences={"frames/room/": 4}, sequence=1), now_ns=0)
    (board,) = objects([scene.board({}, [], now_ns=0)])
    (row,) = board["streams"]
    assert row["counters"] == a_status(2).counters
    assert row["frames"] is True
    scene.push(a_label("Rain"), now_ns=0)
    (board,) = objects([scene.board({}, [], now_ns=0)])
    assert board["streams"][0]["labels"][0]["label"] == "Rain"


def test_streams_beyond_those_shown_are_counted(scene):
    for number in range(STREAMS_MOST + 3):
        scene.push(a_status(1, stream=f"s{number}"), now_ns=0)
        scene.push(a_status(2, stream=f"s{number}", sequence=1), now_ns=0)
    (board,) = objects([scene.board({}, [], now_ns=0)])
    assert len(board["streams"]) == STREAMS_MOST
    assert board["not_shown"] == 3


# --- who joins


async def first(watching, n):
    found = []
    async for content in watching:
        found.append(content)
        if len(found) == n:
            break
    await watching.aclose()
    return found


def test_who_joins_is_given_the_recent_past_and_no_more():
    import asyncio

    audience = Audience()
    audience.take([Packet("heard/a", 3, str(number)) for number in range(9)])
    audience.take(
        [Packet("board", 1, "old"), Packet("board", 1, "new"), Packet("frames/a", 2, b"x")]
    )
    assert asyncio.run(first(audience.watch(), 5)) == ["6", "7", "8", "new", b"x"]


def test_a_slow_browser_loses_the_oldest_and_is_told():
    import asyncio

    async def scenario():
        audience = Audience()
        watching = audience.watch()
        audience.take([Packet("a", 1, "0")])
        assert await anext(watching) == "0"
        audience.take([Packet("a", 1, str(number)) for number in range(WAITING_MOST + 6)])
        told = json.loads(await anext(watching))
        assert (told["kind"], told["n_messages"]) == ("dropped", 5)
        assert await anext(watching) == "5"
        await watching.aclose()

    asyncio.run(scenario())


# --- the page


class Page(HTMLParser):
    def __init__(self, content):
        super().__init__()
        self.tags = []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_the_page_has_no_script_or_style_within_and_loads_nothing_from_elsewhere():
    files = read_pages()
    page = Page(files["index.html"].content.decode())
    for tag, attributes in page.tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "script":
            assert attributes["src"].removeprefix("page/") in files
        for name in ("src", "href"):
            link = attributes.get(name, "#")
            assert link.startswith("#") or link.removeprefix("page/") in files
    for name, file in files.items():
        content = file.content.decode()
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", content))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
        if name.endswith(".js"):
            for imported in re.findall(r'from "\./([^"]+)"', content):
                assert imported in files
            assert "innerHTML" not in content
            assert not re.search(r"\beval\(|new Function", content)


def test_the_page_has_landmarks_a_language_and_a_way_past_the_bar():
    page = Page(read_pages()["index.html"].content.decode())
    tags = [tag for tag, _ in page.tags]
    assert {"header", "main", "nav", "footer", "h1"} <= set(tags)
    assert ("html", {"lang": "en"}) in page.tags
    assert any(a.get("class") == "skip" and a["href"] == "#streams" for _, a in page.tags)
    assert all("alt" in a for tag, a in page.tags if tag == "img")
    assert any(a.get("role") == "alert" for _, a in page.tags)
    named = [a for tag, a in page.tags if tag in ("nav", "main")]
    assert all(a.get("aria-label") for a in named)


def themes():
    style = read_pages()["style.css"].content.decode()
    light = dict(re.findall(r"(--[a-z-]+):\s*(#[0-9a-f]{6})", style.split("}")[0]))
    dark_block = style[style.index('[data-theme="dark"]') :].split("}")[0]
    dark = dict(re.findall(r"(--[a-z-]+):\s*(#[0-9a-f]{6})", dark_block))
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_of_text_and_ground_has_the_contrast_that_wcag_asks_for(theme):
    found = themes()[theme]
    pairs = [(ink, ground) for ink in ("ink", "quiet") for ground in ("page", "card", "sunken")]
    pairs += [("accent", "card"), ("accent-ink", "accent"), ("ink", "accent-soft"), ("bad", "card")]
    pairs += [(word, f"{word}-soft") for word in ("good", "warn", "bad", "novel")]
    for ink, ground in pairs:
        assert contrast(found[f"--{ink}"], found[f"--{ground}"]) >= 4.5, (ink, ground)


# --- over a real server


@contextlib.contextmanager
def dashboard(*options):
    command = [sys.executable, "-m", "streamdeep", "dashboard", "--json", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())["address"], process
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    endpoint = f"ipc://{tmp_path_factory.mktemp('wire')}/engine"
    with dashboard("--connect", endpoint, "--port", 0) as (address, _):
        yield address, endpoint


def get(url, **headers):
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=10
        ) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_the_page_forbids_the_browser_everything_else(served):
    address, _ = served
    status, headers, content = get(f"http://{address}/")
    assert (status, content) == (200, read_pages()["index.html"].content)
    policy = headers["Content-Security-Policy"].split("; ")
    assert policy[:3] == ["default-src 'none'", "script-src 'self'", "style-src 'self'"]
    assert f"connect-src 'self' ws://{address} wss://{address}" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    for name, file in read_pages().items():
        status, headers, content = get(f"http://{address}/page/{name}")
        assert (status, content) == (200, file.content)
        assert headers["Content-Type"] == file.media_type
    for path in ("/page/nothing.js", "/page/..%2fscene.py", "/page/../scene.py", "/live2"):
        assert get(f"http://{address}{path}")[0] == 404


def test_other_sites_and_other_names_are_refused(served):
    address, _ = served
    assert get(f"http://{address}/", Host="evil.example")[0] == 421
    for origin in ("http://evil.example", "null", f"http://evil.example:{address.split(':')[1]}"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/live", origin=origin)
        assert refused.value.response.status_code == 403
    with connect(f"ws://{address}/live", origin=f"http://{address}") as websocket:
        assert json.loads(websocket.recv(timeout=10))["kind"] == "introduction"


def test_a_browser_that_says_too_much_is_cut_off_and_one_that_may_not_teach_is_not_heard(served):
    address, _ = served
    with connect(f"ws://{address}/live") as websocket:
        websocket.send(json.dumps({"do": "save"}))
        assert json.loads(websocket.recv(timeout=10))["kind"] == "introduction"
        websocket.send("x" * 10_000)
        with pytest.raises(ConnectionClosed, match="1009"):
            list(websocket)


def test_there_is_room_for_so_many_browsers(served):
    address, _ = served
    with contextlib.ExitStack() as stack:
        for _ in range(VIEWERS_MOST):
            websocket = stack.enter_context(connect(f"ws://{address}/live"))
            websocket.recv(timeout=10)
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/live")
        assert refused.value.response.status_code == 503


def test_what_an_engine_sends_reaches_the_browser(served, model, vectors):
    address, endpoint = served
    with Publisher(endpoint) as publisher, connect(f"ws://{address}/live") as websocket:
        deadline = time.monotonic() + 30
        kinds, frames = {}, None
        publisher.offer_frames("room")
        sent = 0
        while time.monotonic() < deadline and not (
            {"heard", "board", "event"} <= kinds.keys() and frames
        ):
            publisher.service()
            embedding = Embedding(vectors[0], 0, 16_000 * sent, 16_000, 16_000, -20.0, -3.0)
            publisher.publish_embedding(
                "room", embedding, model=model.short_digest, captured_monotonic_ns=time.monotonic_ns(), stages_ns={}
            )  # fmt: skip
            publisher.publish_event("room", "gap", epoch=1, at_sample=3, reason="<b>lost</b>")
            publisher.publish_status(
                "room", counters={"captured": 5}, clock=ClockPoint(1, 1, 1, 16_000), uptime_s=1.0, live=True
            )  # fmt: skip
            batch_of_frames(publisher)
            sent += 1
            with contextlib.suppress(TimeoutError):
                while True:
                    content = websocket.recv(timeout=0.05)
                    if isinstance(content, bytes):
                        frames = content
                    else:
                        found = json.loads(content)
                        if found["kind"] != "board" or found["streams"]:
                            kinds[found["kind"]] = found
        assert kinds["heard"]["stream"] == "room"
        assert len(kinds["heard"]["place"]) == 2
        assert kinds["board"]["streams"][0]["counters"] == {"captured": 5}
        assert kinds["board"]["streams"][0]["frames"] is True
        assert kinds["event"]["reason"] == "<b>lost</b>"
        assert frames[40:44] == b"room"


def batch_of_frames(publisher):
    from streamdeep.records import Spectrogram

    batch = Spectrogram(0, 0, 0, 1764, 44100, np.zeros((1, 4), np.uint8), -90.0, -20.0)
    publisher.publish_frames(
        "room", batch, model=bytes(8), hop_samples=1764, captured_monotonic_ns=time.monotonic_ns()
    )


def test_a_token_opens_the_page_and_a_cookie_keeps_it(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    options = ("--connect", f"ipc://{tmp_path}/nobody", "--port", 0, "--token-file", token)
    with dashboard(*options) as (address, _):
        assert get(f"http://{address}/")[0] == 401
        assert get(f"http://{address}/page/main.js")[0] == 401
        assert get(f"http://{address}/?token=wrong")[0] == 401
        status, headers, _ = get(f"http://{address}/?token=s3cret")
        assert status == 200
        cookie = headers["Set-Cookie"]
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        given = cookie.partition(";")[0]
        assert get(f"http://{address}/page/main.js", Cookie=given)[0] == 200
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/live")
        assert refused.value.response.status_code == 401
        with connect(f"ws://{address}/live", additional_headers={"Cookie": given}) as websocket:
            assert json.loads(websocket.recv(timeout=10))["kind"] == "introduction"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bind": "0.0.0.0:8088"}, "refusing --bind '0.0.0.0:8088'"),
        ({"bind": "127.0.0.1:1", "port": 2}, "give one of them"),
        ({"port": 99999}, "must be like"),
        ({"head": Path("nothing.onnx")}, "nothing.onnx"),
        ({"teach": Path(__file__) / "my-head.onnx"}, "cannot write"),
    ],
)
def test_a_wrong_option_is_one_line(options, words):
    with pytest.raises(StreamdeepError) as refused:
        run_dashboard(**options)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


# --- teaching


class Lesson:
    """A desk that hears a stream, a segment a second."""

    def __init__(self, path, model):
        self.desk, self.model = Desk(path), model
        self.now_ns, self.sequence = 0, 0
        announced = replace(a_model(), digest=model.digest, dim=model.contract.encoder.dim)
        self.desk.push(announced, now_ns=0)

    def hear(self, vector, n=1):
        for _ in range(n):
            self.now_ns += SECOND_NS
            noise = np.random.default_rng(self.sequence).normal(0, 1e-3, len(vector))
            message = heard(self.model, (vector + noise).astype(np.float32), self.sequence)
            self.desk.push(message, now_ns=self.now_ns)
            self.sequence += 1

    def order(self, **order):
        self.desk.obey(json.dumps(order), now_ns=self.now_ns)
        return self.told()

    def told(self):
        """What browsers are told once nothing goes on."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for packet in self.desk.step(self.now_ns):
                found = json.loads(packet.content)
                if not found["learning"] and found["told"] != "saving ...":
                    return found
            self.now_ns += SECOND_NS  # it says how it is once a second
            time.sleep(0.02)
        raise TimeoutError


def test_what_is_named_is_learnt_and_saved_where_it_was_said_at_the_start(tmp_path, model, vectors):
    path = tmp_path / "my-head.onnx"
    lesson = Lesson(path, model)
    for _ in range(2):
        for label, vector in (("low", vectors[0]), ("high", vectors[-1])):
            lesson.hear(vector, 6)
            lesson.order(do="last", stream="room", label=label, seconds=4)
    told = lesson.told()
    assert [(one["label"], one["takes"]) for one in told["classes"]] == [("low", 2), ("high", 2)]
    assert told["accuracy"] == 1.0
    assert told["unsaved"]
    assert not path.exists()
    told = lesson.order(do="save")
    assert "saved" in told["told"]
    assert not told["unsaved"]
    head = load_head(path)
    assert head.digest == lesson.desk.head.digest
    chances = head.probabilities(np.stack([vectors[0], vectors[-1]]))
    labels = head.contract.labels
    assert [labels[n] for n in chances.argmax(axis=1)] == ["low", "high"]
    # It goes on where it was.
    again = Lesson(path, model)
    assert again.desk.head.contract.labels == head.contract.labels
    assert len(again.told()["classes"]) == 2


def test_a_hold_names_what_sounds_in_between_and_undo_takes_it_back(tmp_path, model, vectors):
    lesson = Lesson(tmp_path / "head.onnx", model)
    lesson.hear(vectors[0], 2)
    assert lesson.order(do="begin", stream="room", label="dog")["holding"] == ["room"]
    lesson.hear(vectors[5], 4)
    assert lesson.order(do="end", stream="room")["holding"] == []
    lesson.hear(vectors[0], 4)
    (one,) = lesson.told()["classes"]
    assert (one["label"], one["takes"]) == ("dog", 1)
    assert one["segments"] >= 3
    assert lesson.order(do="undo")["classes"] == []


def test_a_hold_that_nobody_ends_ends_by_itself(tmp_path, model, vectors):
    lesson = Lesson(tmp_path / "head.onnx", model)
    lesson.hear(vectors[0])
    lesson.order(do="begin", stream="room", label="dog")
    lesson.now_ns += round((HOLD_MOST_S + 1) * SECOND_NS)
    lesson.desk.step(lesson.now_ns)
    assert lesson.told()["holding"] == []


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.binary(max_size=20).map(lambda data: data.decode("latin-1")),
        st.fixed_dictionaries(
            {"do": st.sampled_from(["last", "begin", "end", "undo", "save", "rm"])},
            optional={
                "stream": st.sampled_from(["room", "nobody", "../x"]),
                "label": st.text(max_size=70),
                "seconds": st.floats(allow_nan=False, allow_infinity=False),
                "path": st.just("/etc/passwd"),
            },
        ).map(json.dumps),
    )
)
def test_no_order_raises_or_writes(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("desk")
    desk = Desk(folder / "head.onnx")
    desk.push(an_event(), now_ns=0)
    desk.obey(order, now_ns=0)
    desk.step(0)
    assert list(folder.iterdir()) == []


def test_a_head_without_examples_is_not_written_over(tmp_path):
    from streamdeep.heads.head import default_head_path

    path = tmp_path / "head.onnx"
    path.write_bytes(default_head_path().read_bytes())
    with pytest.raises(ConfigurationError, match="carries no examples"):
        Desk(path)


def test_a_number_that_is_not_finite_is_never_sent():
    with pytest.raises(ValueError, match="not JSON compliant"):
        text("heard/a", 1, {"level": float("nan")})
