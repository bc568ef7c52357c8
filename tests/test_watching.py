"""What is shown of streams: how they are, the worst first, as much as fits; tested without a terminal."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from streamdeep.cli.watch_screen import columns_for, duration, losses, meter, plain_line, screen
from streamdeep.records import Flag, Sound
from streamdeep.watching import board as boards
from streamdeep.watching.board import Board
from streamdeep.watching.recent import Recent
from streamdeep.watching.row import BY_TROUBLE, HeardLabel, Row, by_trouble
from streamdeep.wire.kinds import (
    ClockPoint,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.tally import Tally
from streamdeep.wire.trouble import ConnectionState

S_NS = 1_000_000_000
RATE_HZ = 1000
PREFIXES = ("embedding/", "event/", "status/", "model/", "label/")


class Wire:
    """A sender, and the books of one who listens; a second is a second."""

    def __init__(self, stream="hall", session=b"s" * 16):
        self.stream, self.session = stream, session
        self.board = Board()
        self.tally = Tally(host="here", prefixes=PREFIXES)
        self.sequences = {}

    def common(self, kind, now_s, flags=0, skip=0):
        number = self.sequences.get(kind, -1) + 1 + skip
        self.sequences[kind] = number
        now_ns = round(now_s * S_NS)
        return {
            "stream": self.stream,
            "session": self.session,
            "sequence": number,
            "published_utc_ns": now_ns,
            "published_monotonic_ns": now_ns,
            "flags": Flag(flags),
        }

    def take(self, message, now_s):
        now_ns = round(now_s * S_NS)
        if self.tally.take(message, utc_ns=now_ns):
            self.board.push(message, now_ns=now_ns)

    def model(self, now_s=0):
        self.take(
            ModelMessage(
                **self.common("model", now_s), digest=bytes(32), name="scene", dim=2, sample_rate_hz=1000, hop_samples=100,
                window_samples=200, segment_frames=50, segment_hop_frames=10, source_rate_hz=1000,
                source_channels=1, incremental=True, frontend_json="{}", version="0",
            ),
            now_s,
        )  # fmt: skip

    def status(self, now_s, *, gap=0, dropped=None, live=True, **common):
        self.take(
            StatusMessage(
                **self.common("status", now_s, **common), sequences={}, host="here", uptime_s=float(now_s), live=live,
                counters={"gap_samples": gap, "dropped": dropped or {}}, clock=ClockPoint(1, 1, 1, RATE_HZ),
            ),
            now_s,
        )  # fmt: skip

    def embedding(self, now_s, *, latency_s=0.01, level=-20.0, **common):
        self.take(
            EmbeddingMessage(
                **self.common("embedding", now_s, **common), epoch=0, start_sample=0, n_samples=5000,
                sample_rate_hz=RATE_HZ, captured_utc_ns=round((now_s - latency_s) * S_NS),
                latency_ns=round(latency_s * S_NS), stages_ns={}, gap_samples=0, model=bytes(8),
                level_dbfs=level, peak_dbfs=-3.0, vector=np.zeros(2, np.float32),
            ),
            now_s,
        )  # fmt: skip

    def event(self, event, now_s):
        self.take(
            EventMessage(**self.common("event", now_s), event=event, epoch=0, at_sample=0), now_s
        )

    def label(self, now_s, label, chances, sounds=None, head="scene", **more):
        self.take(
            LabelMessage(
                **self.common(f"label-{head}", now_s) | {"session": b"c" * 16}, head=head, epoch=0, start_sample=0, n_samples=1,
                sample_rate_hz=RATE_HZ, captured_utc_ns=0, model=bytes(8), label=label,
                probabilities=chances, sounds=sounds, **more,
            ),
            now_s,
        )  # fmt: skip

    def live(self, start_s, stop_s):
        for now_s in range(start_s, stop_s):
            self.embedding(now_s)
            self.status(now_s + 0.5)

    def row(self, now_s):
        now_ns = round(now_s * S_NS)
        topics = self.tally.topics(monotonic_ns=now_ns, utc_ns=now_ns)
        (row,) = self.board.rows(topics, now_ns=now_ns)
        return row


@pytest.fixture
def wire():
    found = Wire()
    found.model()
    found.live(0, 10)
    return found


def test_a_live_stream_shows_its_rate_age_latency_and_level(wire):
    row = wire.row(9.6)
    assert (row.stream, row.state, row.model) == ("hall", "live", "scene")
    assert row.embeddings_per_s == pytest.approx(1.0)
    assert row.age_s == pytest.approx(0.61)
    assert (row.latency_p50_ms, row.latency_p99_ms) == (10.0, 10.0)
    assert (row.level_dbfs, row.clipped) == (-20.0, False)
    assert row.uptime_s == pytest.approx(9.6)
    assert losses(row) == ""


def test_a_stream_of_which_nothing_comes_is_stale_and_comes_back(wire):
    assert wire.row(12.9).state == "late"
    assert wire.row(13.1).state == "stale"
    wire.status(14)
    assert wire.row(14).state != "stale"


def test_a_stream_that_lives_but_gives_no_embeddings_is_late(wire):
    for now_s in range(10, 20):
        wire.status(now_s)
    assert wire.row(11.9).state == "live"
    assert wire.row(12.1).state == "late"  # two hops and a second
    assert wire.row(19).embeddings_per_s < 0.6
    wire.embedding(19.1)
    assert wire.row(19.2).state == "live"


def test_a_stream_that_never_gave_an_embedding_is_late_once_one_was_due():
    wire = Wire()
    wire.model()
    for now_s in range(1, 12):
        wire.status(now_s)
        assert wire.row(now_s).state == ("live" if now_s <= 8 else "late")


def test_a_file_played_as_fast_as_it_goes_is_never_late():
    wire = Wire()
    wire.model()
    wire.embedding(0, flags=Flag.OFFLINE)
    for now_s in range(30):
        wire.status(now_s, live=False)
    assert wire.row(29).state == "live"
    assert wire.row(29).latency_p50_ms is None


def test_a_stream_that_ended_has_ended_until_it_starts_again(wire):
    wire.event("stop", 10)
    wire.status(10.1)
    assert wire.row(100).state == "ended"
    assert wire.row(100).uptime_s == wire.row(1000).uptime_s
    wire.event("start", 101)
    assert wire.row(101).state != "ended"


def test_who_joins_after_the_end_does_not_take_a_repeated_status_for_life():
    wire = Wire()
    wire.status(5, flags=Flag.REPEAT)
    assert wire.row(6).state == "live"
    assert wire.row(9).state == "ended"


def test_losses_make_a_stream_lossy_for_a_minute(wire):
    wire.row(9.5)
    wire.status(10, gap=1500, dropped={"overload": 250, "gap": 3000, "overflow": 0})
    row = wire.row(10.1)
    assert row.state == "lossy"
    assert (row.gap_s, row.dropped_s) == (1.5, {"gap": 3.0, "overload": 0.25})
    assert losses(row) == "1.5 s gap, 3.0 s beside gaps, 0.2 s overload"
    for now_s in range(11, 80):
        wire.embedding(now_s)
        wire.status(now_s + 0.5, gap=1500, dropped={"overload": 250, "gap": 3000})
        state = wire.row(now_s + 0.6).state
    assert state == "live"


def test_losses_before_we_came_are_shown_and_are_no_trouble():
    wire = Wire()
    wire.model()
    for now_s in range(3):
        wire.embedding(now_s)
        wire.status(now_s, gap=99_000)
        assert wire.row(now_s).state == "live"
    assert wire.row(3).gap_s == 99.0


def test_messages_lost_on_the_way_are_losses_too(wire):
    wire.row(9.5)
    wire.embedding(10, skip=3)
    row = wire.row(10.1)
    assert (row.state, row.wire_lost) == ("lossy", 3)
    assert losses(row) == "3 msg"


def test_a_restarted_engine_begins_anew(wire):
    wire.status(10, gap=5000)
    wire.row(10)
    wire.session, wire.sequences = b"t" * 16, {}
    wire.status(11)
    row = wire.row(11)
    assert (row.state, row.gap_s, row.model, row.level_dbfs) == ("live", 0.0, "", None)


def test_the_newest_label_of_each_head_is_shown_with_its_confidence(wire):
    on = Sound("on", "dog", 0, 9, 0.75)
    wire.label(5, "dog", {"dog": 0.4}, [on, Sound("end", "dog", 0, 1, 0.9)])
    wire.label(6, "wren", {"wren": 0.6}, head="birds")
    birds, scene = wire.row(8).labels
    assert (birds.head, birds.label, birds.confidence, birds.age_s) == ("birds", "wren", 0.6, 2.0)
    assert (scene.label, scene.confidence) == ("dog", 0.75)
    wire.label(9, "unknown", {"dog": 0.4}, [])
    assert wire.row(9).labels[1] == HeardLabel("scene", "unknown", None, 0.0)


def test_a_stream_of_which_only_labels_come_is_shown():
    wire = Wire()
    wire.label(1, "dog", {"dog": 1.0})
    assert wire.row(20).state == "live"
    assert wire.row(37).state == "stale"


def test_a_sender_that_invents_streams_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(boards, "STREAMS_MOST", 3)
    wire = Wire()
    for i in range(9):
        wire.stream = f"s{i}"
        wire.status(1)
    assert len(wire.board.rows({}, now_ns=0)) == 3


@settings(deadline=None)
@given(
    st.floats(0.05, 5),
    st.integers(2, 50),
    st.floats(0, 1),
)
def test_a_rate_is_exact_while_it_is_steady_and_falls_when_nothing_comes(every_s, n, share):
    recent = Recent()
    times = [round(i * every_s * S_NS) for i in range(n)]
    for time_ns in times:
        recent.add(time_ns, 0.0)
    until_next = times[-1] + round(share * every_s * S_NS)
    kept_s = [t for t in times if until_next - t <= 60 * S_NS]
    if len(kept_s) > 1:
        assert recent.per_second(until_next) == pytest.approx(1 / every_s, rel=1e-6)
    assert (recent.per_second(times[-1] + 30 * S_NS) or 0) <= 1 / every_s * (1 + 1e-9)
    assert recent.per_second(times[-1] + 61 * S_NS) is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_and_is_not_exceeded_by_its_share(values, share):
    recent = Recent()
    for value in values:
        recent.add(0, value)
    found = recent.quantile(0, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


a_label = st.builds(
    HeardLabel,
    head=st.just("scene"),
    label=st.text(max_size=30),
    confidence=st.none() | st.floats(0, 1),
    age_s=st.floats(0, 1e6),
)
numbers = st.none() | st.floats(0, 1e7)
any_row = st.builds(
    Row,
    stream=st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,63}", fullmatch=True),
    state=st.sampled_from(BY_TROUBLE),
    model=st.text(max_size=30),
    embeddings_per_s=numbers,
    age_s=numbers,
    latency_p50_ms=numbers,
    latency_p99_ms=numbers,
    level_dbfs=st.none() | st.floats(-200, 20),
    clipped=st.booleans(),
    gap_s=st.floats(0, 1e7),
    dropped_s=st.dictionaries(st.text(max_size=10), st.floats(0, 1e6), max_size=3),
    wire_lost=st.integers(0, 10**9),
    labels=st.lists(a_label, max_size=3).map(tuple),
    uptime_s=numbers,
)
UP = ConnectionState("tcp://127.0.0.1:5757", True, "", 0)
DOWN = ConnectionState("tcp://10.0.0.9:5757", False, "refused: our key is not in its list", 3)


def drawn(rows, connections=(UP,), width=80, height=24):
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None)
    console.print(screen(rows, connections, width=width, height=height))
    return out.getvalue()


@settings(deadline=None, max_examples=150)
@given(st.lists(any_row, max_size=40), st.integers(20, 200), st.integers(8, 60))
def test_a_screen_is_never_wider_or_higher_than_the_terminal(rows, width, height):
    text = drawn(rows, [UP, DOWN], width, height)
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= height
    assert "\x1b" not in text
    assert max(map(cell_len, lines)) <= width
    assert lines[-1].strip() == "q ends"


def a_row(name="hall", state="live", **changes):
    base = Row(name, state, "scene", 1.0, 0.5, 2.0, 3.0, -20.0, False, 0.0, {}, 0, (), 60.0)
    return replace(base, **changes)


def test_those_in_trouble_come_first_and_the_rest_is_counted():
    rows = [a_row(f"s{i:03d}") for i in range(500)]
    rows[77] = a_row("s077", "stale")
    rows[99] = a_row("s099", "lossy", wire_lost=4)
    rows[11] = a_row("s011", "ended")
    lines = drawn(by_trouble(rows)).splitlines()
    assert "500 streams: 1 stale, 1 lossy, 497 live, 1 ended; 499.0 embeddings/s" in lines[1]
    assert [line.split()[0] for line in lines[3:6]] == ["s077", "s099", "s000"]
    assert lines[-2].strip() == "and 481 more: 480 live, 1 ended"
    assert len(lines) == 24


def test_one_stream_alone_needs_no_more():
    lines = drawn([a_row()]).splitlines()
    assert lines[0].strip() == "● tcp://127.0.0.1:5757  connected"
    assert len(lines) == 5
    assert "more" not in lines[-2]


def test_an_endpoint_in_trouble_says_why_and_stands_first():
    lines = drawn([], [UP, DOWN]).splitlines()
    assert lines[0].strip() == "○ tcp://10.0.0.9:5757  refused: our key is not in its list"


def test_narrow_terminals_keep_what_matters_and_wide_ones_get_all():
    assert [column.title for column in columns_for(30)] == ["stream", "state", "age"]
    assert [column.title for column in columns_for(80)][-3:] == ["dBFS", "lost", "hears"]
    assert len(columns_for(140)) == 12
    assert columns_for(1)


def test_a_label_is_text_and_nothing_else():
    label = HeardLabel("scene", "[bold]dog[/]\x1b[2J\nrain", 0.5, 1.0)
    text = drawn([a_row(labels=(label,))], width=120)
    assert "[bold]dog[/] [2J rain 50%" in text
    assert "scene" not in text.splitlines()[-2].split("[bold]")[0]


def test_a_label_that_is_old_says_so():
    old = HeardLabel("scene", "dog", 0.9, 120.0)
    assert "dog 90% (2 min ago)" in drawn([a_row(labels=(old,))], width=120)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (-0.01, "0.0 s"), (0.44, "0.4 s"), (9.96, "10 s"), (99.4, "99 s"), (100, "2 min"),
        (5900, "98 min"), (5990, "2 h"), (200_000, "56 h"), (260_000, "3 d"), (1e9, "11574 d"),
    ],
)  # fmt: skip
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_the_meter_grows_with_the_level():
    bars = [len(meter(level)) for level in (-80, -60, -45, -30, -15, 0, 12)]
    assert bars == sorted(bars)
    assert (bars[0], bars[-1]) == (0, 8)
    assert meter(None) == ""


def test_a_plain_line_says_everything_in_words():
    row = a_row(labels=(HeardLabel("scene", "dog", 0.9, 1.0),), wire_lost=2, clipped=True)
    assert plain_line(row) == (
        "hall  live  age 0.5 s  1.00/s  p50 2.0 ms p99 3.0 ms  -20 dBFS clipped  lost 2 msg  hears dog 90%"
    )


def test_what_is_novel_or_drifts_is_said_beside_the_label(wire):
    wire.label(5, "dog", {"dog": 0.4}, novel=True, drifting=True)
    row = wire.row(9.6)
    assert (row.labels[0].novel, row.labels[0].drifting) == (True, True)
    assert plain_line(row).endswith("hears dog 40%, novel, drifting")
    wire.label(6, "dog", {"dog": 0.4}, novel=False)
    assert plain_line(wire.row(9.6)).endswith("hears dog 40%")
