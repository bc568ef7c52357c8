"""The subscriber's pure parts: losses, ages, holding; and the publisher's: repeats."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdeep.records import Flag
from streamdeep.wire.age import Ages
from streamdeep.wire.holding import Holding
from streamdeep.wire.kinds import ClockPoint, EmbeddingMessage, ModelMessage, StatusMessage
from streamdeep.wire.loss import LossCounter
from streamdeep.wire.repeats import Repeats
from streamdeep.wire.tally import TOPICS_MOST, Tally

SESSIONS = [bytes([i]) * 16 for i in range(4)]
PLAIN = Flag(0)
SECOND_NS = 1_000_000_000
MODELS = [bytes([i]) * 32 for i in range(3)]


def embedding(
    sequence=0, *, stream="a", session=SESSIONS[0], model=MODELS[0][:8], flags=PLAIN, **changes
):
    values = {
        "published_utc_ns": 0,
        "published_monotonic_ns": 0,
        "epoch": 0,
        "start_sample": 0,
        "n_samples": 1,
        "sample_rate_hz": 1,
        "captured_utc_ns": 0,
        "latency_ns": 0,
        "stages_ns": {},
        "gap_samples": 0,
        "level_dbfs": 0.0,
        "peak_dbfs": 0.0,
        "vector": np.zeros(1, np.float32),
    }
    return EmbeddingMessage(
        stream=stream,
        session=session,
        sequence=sequence,
        model=model,
        flags=flags,
        **(values | changes),
    )


def model(digest=MODELS[0], *, stream="a", sequence=0):
    return ModelMessage(
        stream=stream,
        session=SESSIONS[0],
        sequence=sequence,
        published_utc_ns=0,
        published_monotonic_ns=0,
        digest=digest,
        name="",
        dim=1,
        sample_rate_hz=1,
        hop_samples=1,
        window_samples=1,
        segment_frames=1,
        segment_hop_frames=1,
        source_rate_hz=1,
        source_channels=1,
        incremental=True,
        frontend_json="{}",
        version="",
    )


def status(sequences, *, sequence=0, session=SESSIONS[0], host="here", flags=PLAIN, **changes):
    values = {"published_utc_ns": 0, "published_monotonic_ns": 0, "stream": "a"}
    return StatusMessage(
        session=session,
        sequence=sequence,
        sequences=sequences,
        counters={},
        clock=ClockPoint(0, 0, 0, 0),
        host=host,
        uptime_s=0.0,
        live=True,
        flags=flags,
        **(values | changes),
    )


# What happens on the sender's side, and whether the reader gets it: a message, a status, an old message
# again, or an old status again.
steps = st.lists(
    st.tuples(
        st.sampled_from(["message", "message", "message", "status", "repeat", "old_status"]),
        st.booleans(),
    )
)


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, min_size=1, max_size=4), st.data())
def test_the_account_is_that_of_somebody_who_sees_both_ends(sessions, data):
    counter = LossCounter()
    received = before_join = lost = repeated = 0
    joined_topic = False
    for session, happenings in zip(SESSIONS, sessions, strict=False):
        got: list[bool] = []  # per message sent, whether it ever arrived
        statuses: list[int] = []  # how many messages had been sent at each
        start = None  # from which message on the reader counts in this session
        seen = 0  # up to which message it has had a sign
        for what, arrives in happenings:
            if what == "message":
                got.append(False)
                at = len(got) - 1
            elif what == "repeat" and got:
                at = data.draw(st.integers(0, len(got) - 1))
            elif what == "status":
                statuses.append(len(got))
                at = len(got) - 1
            elif what == "old_status" and statuses:
                at = data.draw(st.sampled_from(statuses)) - 1
            else:
                continue
            if not arrives:
                continue
            if what in ("message", "repeat"):
                new = not any(got[at:])
                assert counter.take(session=session, sequence=at) == new
                got[at] = got[at] or new
                repeated += not new
                first = at
            else:
                counter.announce(session=session, last_sequence=at, repeat=what == "old_status")
                if what == "old_status" and start is None:
                    continue
                first = at + 1
            if start is None:
                start = 0 if joined_topic else first
                joined_topic = True
            seen = max(seen, at + 1)
        if start is not None:
            received += sum(got)
            before_join += start - sum(got[:start])
            lost += seen - start - sum(got[start:seen])
    found = counter.statistics()
    assert (found.received, found.lost) == (received, lost)
    assert (found.before_join, found.repeated) == (before_join, repeated)


def test_a_joiner_gets_the_repeated_model_though_the_status_came_first():
    counter = LossCounter()
    counter.announce(session=SESSIONS[0], last_sequence=0)
    assert counter.statistics().before_join == 1
    assert counter.take(session=SESSIONS[0], sequence=0)
    assert not counter.take(session=SESSIONS[0], sequence=0)
    found = counter.statistics()
    assert (found.received, found.before_join, found.lost, found.repeated) == (1, 0, 0, 1)


def test_a_new_model_that_was_lost_is_had_by_its_repeat():
    counter = LossCounter()
    assert counter.take(session=SESSIONS[0], sequence=0)
    counter.announce(session=SESSIONS[0], last_sequence=1)
    assert counter.statistics().lost == 1
    assert counter.take(session=SESSIONS[0], sequence=1)
    assert counter.statistics().lost == 0


def test_the_end_of_a_burst_is_told_by_the_status():
    counter = LossCounter()
    assert counter.take(session=SESSIONS[0], sequence=10)
    counter.announce(session=SESSIONS[0], last_sequence=14)
    found = counter.statistics()
    assert (found.received, found.before_join, found.lost) == (1, 10, 4)


def test_after_a_restart_of_the_sender_its_first_messages_are_lost_not_before_join():
    counter = LossCounter()
    counter.take(session=SESSIONS[0], sequence=5)
    counter.take(session=SESSIONS[1], sequence=3)
    found = counter.statistics()
    assert (found.received, found.before_join, found.lost, found.session_changes) == (2, 5, 3, 1)


def test_two_senders_under_one_name_do_not_look_like_loss():
    counter = LossCounter()
    for sequence in range(100):
        for session in SESSIONS[:2]:
            counter.take(session=session, sequence=sequence)
    found = counter.statistics()
    assert (found.received, found.lost, found.session_changes) == (200, 0, 199)


def test_epochs_are_counted_within_a_session():
    counter = LossCounter()
    for session, sequence, epoch in [
        (0, 0, 0),
        (0, 1, 0),
        (0, 2, 1),
        (0, 3, 3),
        (1, 0, 0),
        (1, 1, 1),
    ]:
        counter.take(session=SESSIONS[session], sequence=sequence, epoch=epoch)
    assert counter.statistics().epoch_changes == 3


def test_a_status_speaks_for_its_own_stream_and_for_topics_subscribed_to():
    tally = Tally(host="here", prefixes=["embedding/", "status/"])
    sequences = {"embedding/a/": 4, "embedding/b/": 7, "event/a/": 2, "embedding/later/thing/": 1}
    assert tally.take(status(sequences), utc_ns=0)
    found = tally.topics(monotonic_ns=0, utc_ns=0)
    assert {topic: each.before_join for topic, each in found.items()} == {
        "embedding/a/": 5,
        "status/a/": 0,
    }


def test_a_sender_that_invents_streams_fills_no_memory():
    tally = Tally(host="here", prefixes=["embedding/"])
    for i in range(TOPICS_MOST + 10):
        tally.take(embedding(stream=f"s{i}"), utc_ns=0)
    assert len(tally.topics(monotonic_ns=0, utc_ns=0)) == TOPICS_MOST
    assert tally.bad == {"too many topics": 10}


def test_age_on_one_host_is_by_the_monotonic_clock():
    ages = Ages("here")
    ages.observe(status({}, published_utc_ns=99), utc_ns=5)
    message = embedding(
        published_monotonic_ns=10 * SECOND_NS, latency_ns=SECOND_NS, captured_utc_ns=123
    )
    ages.observe(message, utc_ns=999)
    assert ages.age_s(message, monotonic_ns=12 * SECOND_NS, utc_ns=0) == 3.0
    assert ages.clock_offset_bound_s(SESSIONS[0]) == 0.0


def test_age_across_hosts_takes_off_the_smallest_difference_seen():
    ages = Ages("here")
    ages.observe(status({}, host="there", published_utc_ns=0), utc_ns=1000 * SECOND_NS)
    for sent_s, arrived_s in [(10, 1005), (20, 1010), (30, 1021)]:  # differences 995, 990, 991
        ages.observe(embedding(published_utc_ns=sent_s * SECOND_NS), utc_ns=arrived_s * SECOND_NS)
    # A repeat is old, and says nothing of the clocks.
    ages.observe(embedding(published_utc_ns=40 * SECOND_NS, flags=Flag.REPEAT), utc_ns=0)
    newest = embedding(captured_utc_ns=29 * SECOND_NS)
    assert ages.clock_offset_bound_s(SESSIONS[0]) == 990.0
    assert ages.age_s(newest, monotonic_ns=0, utc_ns=1023 * SECOND_NS) == 4.0


def test_embeddings_wait_for_their_model_and_come_in_order():
    holding = Holding()
    first = [embedding(i) for i in range(3)]
    other = embedding(0, stream="b")
    for message in (*first, other):
        assert holding.push(message) == []
    assert holding.push(status({}))
    described = model()
    assert holding.push(described) == [described, *first]
    assert holding.push(last := embedding(3)) == [last]
    assert len(holding) == 1


def test_an_embedding_does_not_overtake_one_that_waits_for_another_model():
    holding = Holding()
    holding.push(model(MODELS[0]))
    waiting = embedding(0, model=MODELS[1][:8])
    assert holding.push(waiting) == []
    assert holding.push(later := embedding(1)) == []
    assert holding.push(again := model(MODELS[0], sequence=1)) == [again]
    assert holding.push(second := model(MODELS[1])) == [second, waiting, later]


def test_holding_is_bounded_and_counts_what_it_drops():
    holding = Holding(most=4)
    for i in range(10):
        holding.push(embedding(i))
    assert [message.sequence for message in holding.push(model())[1:]] == [6, 7, 8, 9]
    assert holding.dropped == {"a": 6}


def test_a_joiner_is_served_at_once_but_not_more_than_once_a_second():
    repeats = Repeats()
    repeats.keep("model/a/", kept := model(), now_ns=0)
    repeats.keep("status/a/", status({}), now_ns=0)
    assert repeats.due(now_ns=0) == []
    repeats.joined(b"model/")
    assert repeats.due(now_ns=5) == [("model/a/", kept)]
    repeats.repeated("model/a/", now_ns=5)
    repeats.joined(b"model/a/")
    assert repeats.due(now_ns=6) == []
    assert repeats.next_due_ns() == 5 + SECOND_NS
    assert repeats.due(now_ns=5 + SECOND_NS) == [("model/a/", kept)]


def test_a_join_is_not_forgotten_when_a_newer_message_takes_the_place():
    repeats = Repeats()
    repeats.keep("model/a/", model(), now_ns=0)
    repeats.joined(b"")
    repeats.keep("model/a/", newer := replace(model(), sequence=1), now_ns=1)
    assert repeats.due(now_ns=1) == [("model/a/", newer)]


def test_without_a_join_there_is_a_repeat_every_thirty_seconds():
    repeats = Repeats()
    repeats.keep("model/a/", model(), now_ns=0)
    assert repeats.next_due_ns() == 30 * SECOND_NS
    assert len(repeats.due(now_ns=30 * SECOND_NS)) == 1
    repeats.repeated("model/a/", now_ns=30 * SECOND_NS)
    assert repeats.due(now_ns=59 * SECOND_NS) == []
    repeats.joined(b"event/")
    assert repeats.due(now_ns=59 * SECOND_NS) == []


def test_who_joins_a_thousand_streams_is_served_by_and_by():
    repeats = Repeats()
    topics = [f"model/room{number}/" for number in range(100)]
    for topic in topics:
        repeats.keep(topic, model(), now_ns=0)
    repeats.joined(b"model/")
    served = []
    while due := repeats.due(now_ns=1):
        assert len(due) < 50
        for topic, _ in due:
            repeats.repeated(topic, now_ns=1)
            served.append(topic)
    assert served == topics
    assert repeats.next_due_ns() == 30 * SECOND_NS + 1


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("keep"), st.sampled_from("abc")),
            st.tuples(st.just("join"), st.sampled_from(["", "model/a", "model/b/", "x"])),
            st.tuples(st.just("serve"), st.integers(0, 3)),
        ),
        max_size=60,
    ),
    gaps_ns=st.lists(st.integers(0, 12 * SECOND_NS), min_size=60, max_size=60),
)
def test_what_is_due_is_what_a_look_at_everything_finds(steps, gaps_ns):
    repeats, now_ns = Repeats(), 0
    for (step, about), gap_ns in zip(steps, gaps_ns, strict=False):
        now_ns += gap_ns
        if step == "keep":
            repeats.keep(f"model/{about}/", model(), now_ns=now_ns)
        elif step == "join":
            repeats.joined(about.encode())
        due = repeats.due(now_ns=now_ns)
        wanted = {topic for topic, kept in repeats._kept.items() if kept.due_ns() <= now_ns}
        assert {topic for topic, _ in due} == wanted
        next_ns = repeats.next_due_ns()
        times = [kept.due_ns() for kept in repeats._kept.values()]
        assert next_ns is None if not times else next_ns <= min(times)
        if step == "serve":
            for topic, _ in due[:about]:
                repeats.repeated(topic, now_ns=now_ns)
