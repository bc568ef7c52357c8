"""The dashboard in a real browser: two live streams of a real engine, and what ``classify`` says beside it."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from streamdeep.cli.soundscape import write_soundscape
from streamdeep.heads.head import load_head

pytestmark = pytest.mark.system
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
STREAMS = ("garden", "house.yard")
PATIENCE_MS = 60_000


def program(*arguments, **options):
    command = [sys.executable, "-m", "streamdeep", *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)


class Site:
    """An engine on two files at their own pace, a dashboard and a classifier; the engine can be killed."""

    def __init__(self, folder, *dashboard):
        self.folder, self.labels = folder, {}
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        lines = ["frames = true", f'bind = "{self.endpoint}"']
        for seed, stream in enumerate(STREAMS):
            sound = folder / f"{stream}.wav"
            write_soundscape(sound, seed=seed, scene_s=30.0)
            lines += ["[[streams]]", f'source = "{sound}"', f'stream = "{stream}"']
        self.settings = folder / "site.toml"
        self.settings.write_text("\n".join(lines))
        connect = ("--connect", self.endpoint)
        # They listen before anything is sent: both then label the same embeddings from the first on.
        self.dashboard = program(
            "dashboard", "--json", "--port", 0, *connect, *dashboard, stdout=subprocess.PIPE
        )
        self.url = json.loads(self.dashboard.stdout.readline())["url"]
        self.classify = program("classify", "--json", *connect, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read_labels)
        self.reader.start()
        self.engine = None
        self.start_engine()

    def start_engine(self):
        self.engine = program(
            "run", "--config", self.settings, "--wait", "--json", stdout=subprocess.PIPE
        )
        assert json.loads(self.engine.stdout.readline())["event"] in ("ready", "compiling")

    def read_labels(self):
        for line in self.classify.stdout:
            found = json.loads(line)
            self.labels[found["stream"], found["sequence"]] = found["decision"]

    def kill_engine(self):
        with self.engine:  # closes its output
            self.engine.kill()

    def close(self):
        for process in (self.engine, self.dashboard, self.classify):
            process.send_signal(signal.SIGINT)
        for process in (self.engine, self.dashboard):
            ended(process)
        self.classify.wait(30)
        self.reader.join(10)
        self.classify.stdout.close()


def ended(process):
    """How a process ends that was told to."""
    with process:
        try:
            return process.wait(30)
        finally:
            process.kill()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    found = Site(folder, "--teach", folder / "my-head.onnx")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def browser():
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip("Debian's package chromium is not installed")
    with playwright.sync_playwright() as driver:
        # A fresh profile each time: playwright makes one in a folder of its own.
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield chromium
        chromium.close()


@pytest.fixture
def page(site, browser):
    with opened(site, browser) as found:
        yield found


@contextlib.contextmanager
def opened(site, browser, **context):
    """The page; whatever it complains of, and whatever it loads from elsewhere, fails the test."""
    complaints, elsewhere = [], []
    with browser.new_context(**context) as made:
        found = made.new_page()
        found.set_default_timeout(PATIENCE_MS)
        found.on(
            "console",
            lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None,
        )
        found.on("pageerror", lambda error: complaints.append(str(error)))
        found.on(
            "request",
            lambda one: elsewhere.append(one.url) if not one.url.startswith(site.url) else None,
        )
        found.goto(site.url)
        found.wait_for_function(
            "n => document.querySelectorAll('.card[data-sequence]').length === n", arg=len(STREAMS)
        )
        yield found
    assert elsewhere == []
    assert complaints == []


def card(page, stream):
    return page.get_by_role("article", name=stream)


def until(condition, what, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(what)


COLOURS = """canvas => {
  const copy = document.createElement("canvas");
  copy.width = canvas.width; copy.height = canvas.height;
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const words = new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer);
  let sum = 0;
  for (const word of words) sum = (sum * 31 + word) >>> 0;
  return [new Set(words).size, sum];
}"""


def test_the_label_on_the_page_is_what_classify_says(site, page):
    for stream in STREAMS:
        seen = set()

        def look(stream=stream, seen=seen):
            sequence, label = card(page, stream).evaluate(
                "card => [Number(card.dataset.sequence), card.querySelector('.label').textContent]"
            )
            wanted = until(lambda: site.labels.get((stream, sequence)), "classify's label")
            assert label == wanted
            seen.add(sequence)
            return len(seen) >= 4

        until(look, "four embeddings")


def test_spectrogram_ribbons_map_and_latency_show_something_that_changes(page):
    for stream in STREAMS:
        one = card(page, stream)
        one.scroll_into_view_if_needed()
        for name, least in (("spectrogram", 40), ("ribbons", 8), ("map", 8)):
            canvas = one.locator(f"canvas.{name}")
            n_colours, before = until(
                lambda canvas=canvas, least=least: (
                    found if (found := canvas.evaluate(COLOURS))[0] >= least else None
                ),
                name,
            )
            assert n_colours >= least
            until(lambda canvas=canvas, before=before: canvas.evaluate(COLOURS)[1] != before, name)
        total = one.locator("tr.total td").last
        until(lambda total=total: total.inner_text() != "–", "a latency")
        assert "embeddings" in one.locator("canvas.map").get_attribute("aria-label")


def test_the_counters_are_the_ledger(page):
    names = ("captured", "embedded", "skipped", "dropped", "flight")
    read = "card => Object.fromEntries([...card.querySelectorAll('[data-count]')].map(e => [e.dataset.count, e.textContent]))"
    for stream in STREAMS:
        counts = card(page, stream).evaluate(read)
        found = {name: int(counts[name].replace(",", "")) for name in names}
        assert found["captured"] > 44100
        assert found["captured"] == sum(found[name] for name in names[1:])
        assert int(counts["wire"]) == 0
        assert int(counts["embeddings"]) > 0


def test_everything_has_a_name_and_can_be_reached_by_keyboard(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, canvas, nav, main, article, [role=meter]")]
          .filter(e => !e.closest("[hidden]") && e.getAttribute("aria-hidden") !== "true")
          .filter(e => !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim()
                         || document.getElementById(e.getAttribute("aria-labelledby") ?? "")?.textContent))
          .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    assert page.locator(".card .label[aria-live=polite]").count() == len(STREAMS)
    identifiers = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(identifiers) == len(set(identifiers))
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Skip to the streams", "Pause", "Theme: system", *STREAMS} <= reached
    page.get_by_role("button", name="Pause").press("Enter")
    assert page.get_by_role("button", name="Go on").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Go on").press(" ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_systems_theme_until_one_is_chosen_and_fits_a_phone(site, browser, scheme):
    small = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    ground = {"light": "rgb(244, 245, 242)", "dark": "rgb(14, 19, 20)"}
    with opened(site, browser, **small) as page:
        paint = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(paint) == ground[scheme]
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        wide = page.evaluate(
            """() => [...document.querySelectorAll("main *")]
              .filter(e => !e.closest(".hush") && e.getBoundingClientRect().right > 361).map(e => e.className)"""
        )
        assert wide == []
        button = page.get_by_role("button", name="Theme")
        button.click()
        assert page.evaluate(paint) == ground["light"]
        button.click()
        assert page.evaluate(paint) == ground["dark"]
        page.reload()
        assert page.evaluate(paint) == ground["dark"]  # chosen is chosen


def test_what_is_kept_stays_bounded_and_less_motion_is_respected(site, browser):
    with opened(site, browser, reduced_motion="reduce") as page:
        canvas = card(page, STREAMS[0]).locator("canvas.spectrogram")
        page.wait_for_timeout(1500)
        found = []
        for _ in range(20):
            found.append(canvas.evaluate(COLOURS)[1])
            page.wait_for_timeout(100)
        steps = sum(one != other for one, other in itertools.pairwise(found))
        assert 1 <= steps <= 5  # once a second, where it is thirty times a second else
        kept = page.evaluate(
            """async () => {
              const { Columns, Newest } = await import("/page/series.js");
              const columns = new Columns(), newest = new Newest(240);
              const packet = { nFrames: 5, nBands: 8, hopMs: 40, epoch: 0, startFrame: 0, utcMs: 0, levels: new Uint8Array(40) };
              for (let n = 0; n < 5000; n += 1) {
                columns.push({ ...packet, startFrame: 5 * n, utcMs: 200 * n });
                newest.push(n);
              }
              return [columns.levels.length, columns.total, newest.items.length, newest.last];
            }"""
        )
        assert kept == [825 * 8, 25_000, 240, 4999]


def test_a_head_is_taught_on_the_page_and_classifies(site, page):
    path = site.folder / "my-head.onnx"
    for _ in range(2):
        for stream, label in zip(STREAMS, ("first kind", "second kind"), strict=True):
            row = page.get_by_role("region", name=f"Teach from {stream}")
            row.get_by_label("Class").fill(label)
            row.get_by_role("button", name=f"The last 3 s were “{label}”").click()
        page.wait_for_timeout(6000)  # the next takes are of other segments
    hold = page.get_by_role("region", name=f"Teach from {STREAMS[0]}").get_by_role(
        "button", name="Hold"
    )
    hold.focus()
    page.keyboard.down(" ")
    page.wait_for_timeout(1500)
    page.keyboard.up(" ")
    panel = page.get_by_role("region", name="Teaching", exact=True)
    playwright.expect(panel.get_by_role("row", name="first kind 3")).to_be_visible(
        timeout=PATIENCE_MS
    )
    panel.get_by_role("button", name="Undo").click()
    playwright.expect(panel.get_by_role("row", name="first kind 2")).to_be_visible(
        timeout=PATIENCE_MS
    )
    playwright.expect(panel.get_by_text("right when left out,")).to_be_visible(timeout=PATIENCE_MS)
    assert not path.exists()
    panel.get_by_role("button", name="Save head").click()
    playwright.expect(panel.get_by_role("status")).to_contain_text(
        "saved to my-head.onnx", timeout=PATIENCE_MS
    )
    assert load_head(path).contract.labels == ("first kind", "second kind")
    # The page labels with it from now on, and so can classify.
    playwright.expect(card(page, STREAMS[0]).locator(".classes li").first).to_contain_text(
        "first kind", timeout=PATIENCE_MS
    )
    done = subprocess.run(
        [sys.executable, "-m", "streamdeep", "classify", "--json", "--count", "1", "--head", path, "--connect", site.endpoint],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert set(json.loads(done.stdout)["probabilities"]) == {"first kind", "second kind"}


def test_an_engine_that_is_gone_is_said_in_words_and_comes_back(site, page):
    site.kill_engine()
    alert = page.get_by_role("alert")
    playwright.expect(alert).to_contain_text(site.endpoint, timeout=PATIENCE_MS)
    playwright.expect(page.locator("#connection")).to_have_text("no engine")
    playwright.expect(card(page, STREAMS[0]).locator(".state")).to_have_text(
        "nothing comes", timeout=PATIENCE_MS
    )
    site.start_engine()
    playwright.expect(alert).to_be_empty(timeout=PATIENCE_MS)
    playwright.expect(card(page, STREAMS[0]).locator(".state")).to_have_text(
        "live", timeout=PATIENCE_MS
    )


def test_a_dashboard_that_is_gone_is_said(site, browser, tmp_path):
    own = program(
        "dashboard", "--json", "--port", 0, "--connect", site.endpoint, stdout=subprocess.PIPE
    )
    url = json.loads(own.stdout.readline())["url"]
    port = url.rstrip("/").rpartition(":")[2]
    with browser.new_context() as made:
        page = made.new_page()
        page.goto(url)
        page.get_by_role("article").first.wait_for(timeout=PATIENCE_MS)
        assert (
            page.get_by_role("region", name="Teaching", exact=True).count() == 0
        )  # without --teach
        own.terminate()
        assert ended(own) == 0
        playwright.expect(page.get_by_role("alert")).to_contain_text("server does not answer")
        again = program(
            "dashboard",
            "--json",
            "--port",
            port,
            "--connect",
            site.endpoint,
            stdout=subprocess.PIPE,
        )
        again.stdout.readline()
        playwright.expect(page.get_by_role("alert")).to_be_empty(timeout=PATIENCE_MS)
        again.terminate()
        assert ended(again) == 0
