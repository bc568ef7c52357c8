"""`streamdeep bench`: its counts add up, its load is what single sources would give, its report is whole."""

import json
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdeep.audio.generator import BLOCK_S, FEWEST_GROUPS, Generator
from streamdeep.audio.ring import open_ring
from streamdeep.audio.ring_array import RingArray
from streamdeep.bench.child import BenchError, Child
from streamdeep.bench.search import BISECTIONS, search
from streamdeep.bench.trial import latency

CAPACITY = 40


def opened(n_rings, woken):
    array = RingArray(n_rings, CAPACITY, 2, 1000)
    return array, [
        open_ring(array, wake=lambda number=number: woken.append(number))
        for number in range(n_rings)
    ]


def state(array, rings):
    jumps = [list(ring._lost) for ring in rings]
    counters = array.written, array.read, array.clocks, array.missing, array.jumps
    return [np.array(found).tolist() for found in counters], jumps, [r.unreported for r in rings]


@settings(deadline=None)  # the first write on a machine compiles
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("together"), st.integers(0, 50)),
            st.tuples(st.just("write"), st.integers(0, 2), st.integers(0, 50), st.integers(0, 3)),
            st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 60)),
            st.tuples(st.just("want"), st.integers(0, 2), st.integers(0, 200)),
        ),
        max_size=30,
    )
)
def test_writing_several_rings_at_once_is_writing_each(steps):
    woken, woken_alone = [], []
    array, rings = opened(3, woken)
    array_alone, alone = opened(3, woken_alone)
    value = 0
    for number, (kind, *numbers) in enumerate(steps):
        if kind == "together":
            samples = np.arange(value, value + 2 * numbers[0], dtype=np.float32).reshape(-1, 2)
            value += 2 * numbers[0]
            array.write(rings, samples, number)
            for ring in alone:
                ring.write(samples, number)
        elif kind == "write":
            which, n_samples, gap = numbers
            samples = np.full((n_samples, 2), -number, np.float32)
            for found in (rings, alone):
                found[which].write(samples, number, gap_samples=gap)
        elif kind == "read":
            blocks = [found[numbers[0]].read(numbers[1]) for found in (rings, alone)]
            if blocks[1] is None:
                assert blocks[0] is None
            else:
                assert np.array_equal(blocks[0].samples, blocks[1].samples)
                assert blocks[0].start_sample == blocks[1].start_sample
        else:
            array.wanted[numbers[0]] = array_alone.wanted[numbers[0]] = numbers[1]
        assert state(array, rings) == state(array_alone, alone)
        assert woken == woken_alone
    assert np.array_equal(array.samples, array_alone.samples)


def test_the_generator_writes_every_source_at_the_pace_of_live_sound_and_none_after_it_stopped():
    rate_hz, n_sources = 8000, 2 * FEWEST_GROUPS + 1
    generator = Generator(rate_hz, 2, spread_s=0.02)
    sources = [generator.source(f"noise{number}") for number in range(n_sources)]
    array = RingArray(n_sources, rate_hz, 2, rate_hz)
    for source in sources:
        source.start(open_ring(array))
    sources[3].stop()
    began_s = time.monotonic()
    generator.run(0.03)
    generator.run(0.02)
    # The first block is due at once: what it holds was captured by then.
    assert time.monotonic() - began_s >= 0.05 - BLOCK_S
    early = array.written - round(0.05 * rate_hz)
    assert early[3] <= 0.02 * rate_hz - 0.05 * rate_hz
    others = np.delete(early, 3)
    assert (others >= 0).all()
    assert (others <= 0.02 * rate_hz).all()
    assert len(np.unique(others)) > n_sources // 2
    blocks = [
        source.ring.read(rate_hz).samples for number, source in enumerate(sources) if number != 3
    ]
    ends = [block[-round(0.05 * rate_hz) :] for block in blocks]
    assert all(np.array_equal(end, ends[0]) for end in ends)
    generator.close()
    assert array.closed.all()


def test_streams_that_begin_apart_lose_nothing_of_what_comes_after():
    rate_hz, n_sources = 8000, 40
    generator = Generator(rate_hz, apart_s=0.05)
    sources = [generator.source(f"noise{number}") for number in range(n_sources)]
    array = RingArray(n_sources, rate_hz, 1, rate_hz)
    for source in sources:
        source.start(open_ring(array))
    generator.run(0.08)
    n_blocks, rest = np.divmod(array.written, round(BLOCK_S * rate_hz))
    assert not rest.any()
    assert set(n_blocks.tolist()) <= {3, 4, 5, 6, 7, 8}
    assert len(set(n_blocks.tolist())) > 3
    assert not array.missing.any()


@given(st.integers(0, 3000), st.integers(1, 64), st.integers(1, 2000))
def test_the_search_finds_a_limit_by_trying_each_number_once(limit, first, most):
    tried = []

    def carries(n_streams):
        tried.append(n_streams)
        return n_streams <= limit

    carried, failed = search(carries, first=first, most=most)
    assert len(tried) == len(set(tried))
    assert max(tried) <= most
    if failed is None:
        assert carried == most <= limit
        return
    assert carried <= limit < failed
    assert carried == 0 or carried in tried
    assert failed in tried
    assert carried == 0 or failed <= max(carried + 1, 1.02 * 2 ** (0.5**BISECTIONS) * carried + 1)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=2000))
def test_a_percentile_is_told_only_where_there_are_values_beyond_it(values):
    found = latency(values)
    assert found.n == len(values)
    assert found.largest == pytest.approx(max(values) / 1e6, abs=1e-4)
    needed = {"p50": 2, "p95": 20, "p99": 100, "p99.9": 1000}
    assert {name for name, value in found.percentiles.items() if value is not None} == {
        name for name, n in needed.items() if len(values) >= n
    }
    assert list(found.distribution) == sorted(found.distribution)


class Tags(HTMLParser):
    """Counts elements, and fails on one that is never closed or loads anything."""

    VOID = frozenset({"meta", "rect", "line", "circle", "polyline"})

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert not {"src", "href", "xlink:href"} & {name for name, _ in attributes}
        assert tag not in ("script", "link", "img", "iframe")
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check_trial(trial):
    assert trial["unaccounted"] == trial["in_flight"] == 0
    assert trial["captured"] == trial["embedded"] + trial["skipped"] + sum(
        trial["dropped"].values()
    )
    assert trial["received"] + trial["lost_on_the_wire"] >= trial["embeddings"] > 0
    assert trial["engine_core"] > 0
    assert list(trial["latency_ms"]) == [
        "capture", "resample", "frontend", "encoder", "publish", "wire", "total",
    ]  # fmt: skip
    assert {found["n"] for found in trial["latency_ms"].values()} == {
        trial["latency_ms"]["total"]["n"]
    }
    assert set(trial["startup_ms"]) == {"import", "model", "kernels", "all"}
    if trial["carried"]:
        assert trial["why_not"] is None
        assert trial["dropped"] == {}
        assert trial["lost_on_the_wire"] == 0
    else:
        assert trial["why_not"]


def test_a_run_gives_all_figures_and_a_page_that_needs_nothing_else(command, model_path, tmp_path):
    page = tmp_path / "report.html"
    code, out, err = command(
        "bench", "--model", model_path, "--seconds", 1, "--streams", "3", "--json", "--html", page
    )  # fmt: skip
    assert code == 0, err
    report = json.loads(out)
    assert report["format"] == 1
    assert report["deadline_ms"] == 20
    assert len(report["model"]["sha256"]) == 64
    assert {"python", "streamdeep", "onnxruntime"} <= set(report["machine"]["versions"])
    assert [trial["n_streams"] for trial in report["trials"]] == [3]
    for trial in (report["latency"], *report["trials"]):
        check_trial(trial)
    # An embedding a frame from one stream; a segment every 10 frames from three.
    assert report["latency"]["latency_ms"]["total"]["n"] >= 50
    assert report["trials"][0]["latency_ms"]["total"]["n"] >= 3 * 5
    assert report["trials"][0]["captured"] >= 3 * 1.5 * 8000
    assert report["most_streams"] == (3 if report["trials"][0]["carried"] else 0)
    text = page.read_text(encoding="utf-8")
    assert report["summary"].replace("'", "&#x27;") in text
    assert Tags(text).seen.count("svg") >= 2
    assert "prefers-color-scheme: dark" in text
    assert "viewport" in text
    assert not re.search(r"https?://|url\(|@import", text)
    assert report["model"]["sha256"] in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--streams", "1,many"], "whole numbers"),
        (["--streams", "0"], "--streams 0"),
        (["--seconds", "0"], "--seconds 0"),
        (["--seconds", "1", "--hop-s", "2"], "shorter than"),
        (["--hop-s", "0.123"], "no whole number"),
        (["--rate", "12"], "12"),
        (["--html", f"{__file__}/report.html"], "cannot write"),
        (["--model", "nowhere.onnx"], "nowhere.onnx"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(command, model_path, options, said):
    code, out, err = command("bench", "--model", model_path, *options)
    assert code > 1
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_with_130_and_leaves_no_process(model_path):
    command = [sys.executable, "-m", "streamdeep", "bench", "--model", str(model_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
        try:
            assert b"paced as live" in bench.stderr.readline()
            children = []
            while not children:
                assert bench.poll() is None
                children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()
            bench.send_signal(signal.SIGINT)
            assert bench.wait(30) == 130
            deadline_s = time.monotonic() + 30
            while any(map(runs, children)):
                assert time.monotonic() < deadline_s
            assert b"Traceback" not in bench.stderr.read()
        finally:
            bench.kill()


def test_a_process_that_fails_is_an_error_with_its_last_word():
    with pytest.raises(BenchError, match="Load"), Child("load", "{}", limit_s=60) as child:
        child.told()
