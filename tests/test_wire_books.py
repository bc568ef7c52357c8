"""A subscriber that runs for months: accounts stay bounded, right, and open for streams that nobody has heard of."""

from hypothesis import given, settings
from hypothesis import strategies as st
from test_wire_loss import MODELS, SECOND_NS, SESSIONS, embedding, model, status

from streamdeep.records import Flag
from streamdeep.wire.books import ENDED_NS, SILENT_NS, Books
from streamdeep.wire.holding import OTHERS, STREAMS_MOST, Holding
from streamdeep.wire.kinds import EventMessage
from streamdeep.wire.loss import LossStatistics
from streamdeep.wire.tally import TOPICS_MOST, SubscriberStatistics, Tally

PREFIXES = ["embedding/", "event/", "model/", "status/"]


def event(name, *, stream, sequence=0):
    return EventMessage(
        stream=stream, session=SESSIONS[0], sequence=sequence, published_utc_ns=0, published_monotonic_ns=0,
        flags=Flag(0), event=name, epoch=0, at_sample=0, n_samples=0, reason="", estimated=False,
    )  # fmt: skip


def statistics_of(tally):
    return SubscriberStatistics(
        topics=tally.topics(monotonic_ns=0, utc_ns=0), bad=tally.bad, held=0, unexplained={}, connections=(),
        forgotten=tally.forgotten,
    )  # fmt: skip


def test_ten_thousand_streams_that_come_and_go_are_all_heard_and_counted():
    tally, names = Tally(host="here", prefixes=PREFIXES), 10_000
    for number in range(names):
        stream, now_ns = f"s{number}", number * SECOND_NS
        assert tally.take(event("start", stream=stream), utc_ns=now_ns)
        for sequence in (0, 1, 4):
            assert tally.take(embedding(sequence, stream=stream), utc_ns=now_ns)
        assert tally.take(event("stop", stream=stream, sequence=1), utc_ns=now_ns)
        # One stream goes on all the time; its events are far apart.
        sequences = {"embedding/always/": number, "event/always/": 0}
        assert tally.take(embedding(number, stream="always"), utc_ns=now_ns)
        assert tally.take(status(sequences, stream="always", sequence=number), utc_ns=now_ns)
    assert tally.take(event("gap", stream="always", sequence=3), utc_ns=names * SECOND_NS)
    found = statistics_of(tally)
    assert len(found.topics) <= TOPICS_MOST
    assert not found.bad
    assert found.topics["embedding/always/"].received == names
    assert found.topics["event/always/"].lost == 2  # it was not forgotten in the meantime
    assert found.received_of("embedding") == 4 * names
    assert found.lost_of("embedding") == 2 * names
    assert found.lost == 2 * names + 2
    assert found.topics[f"embedding/s{names - 1}/"].received == 3
    assert "embedding/s0/" not in found.topics


def test_streams_that_fell_silent_make_room_and_streams_that_speak_do_not():
    tally = Tally(host="here", prefixes=["embedding/"])
    for i in range(TOPICS_MOST):
        tally.take(embedding(stream=f"s{i}"), utc_ns=0)
    assert not tally.take(embedding(stream="new"), utc_ns=SILENT_NS - 1)
    assert tally.bad == {"too many topics": 1}
    for i in range(100):
        tally.take(embedding(1, stream=f"s{i}"), utc_ns=SILENT_NS - 1)
    assert tally.take(embedding(stream="new"), utc_ns=SILENT_NS)
    found = tally.topics(monotonic_ns=0, utc_ns=0)
    assert {f"embedding/s{i}/" for i in range(100)} < set(found)
    assert "embedding/s100/" not in found


def test_a_clock_that_is_put_back_makes_nobody_deaf():
    tally = Tally(host="here", prefixes=["embedding/"])
    for i in range(TOPICS_MOST):
        tally.take(embedding(stream=f"s{i}"), utc_ns=10**18)
    assert tally.take(embedding(stream="new"), utc_ns=0)


def test_what_is_only_repeated_makes_no_room_for_itself():
    books = Books(2)
    assert books.counter("embedding/a/", "a", now_ns=0)
    assert books.counter("embedding/b/", "b", now_ns=0)
    later_ns = 2 * SILENT_NS
    assert books.counter("model/c/", "c", now_ns=later_ns, repeat=True) is None
    assert books.counter("embedding/a/", "a", now_ns=later_ns)
    assert books.counter("model/a/", "a", now_ns=later_ns, repeat=True)
    assert set(books.counters) == {"embedding/a/", "model/a/"}


def test_models_and_missing_models_of_ever_new_streams_fill_no_memory():
    holding = Holding(most=1)
    for i in range(STREAMS_MOST + 10):
        holding.push(model(stream=f"s{i}"))
        holding.push(embedding(stream=f"s{i}", model=MODELS[1][:8]))
    assert holding.dropped.total() == STREAMS_MOST + 9
    assert holding.dropped[OTHERS] == 9
    late, unexplained = embedding(stream=f"s{STREAMS_MOST}"), embedding(stream="s0")
    assert holding.push(late)[0] is late
    assert holding.push(unexplained) == []


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(("embedding", "event", "status")),
            st.integers(0, 3),
            st.sampled_from((0, ENDED_NS, SILENT_NS)),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_totals_are_those_of_books_that_forget_nothing_but_for_what_was_before_a_return(steps):
    """Per topic each stay is counted by itself, and nothing that was counted is ever lost."""
    books, now_ns, told = Books(5, lambda topic: told.append(topic)), 0, []
    counted = LossStatistics()
    numbers = {}
    for stream, kind, skipped, passed_ns, ends in steps:
        now_ns += passed_ns
        topic = f"{kind}/{stream}/"
        counter = books.counter(topic, stream, now_ns=now_ns)
        assert len(books.counters) <= 5
        assert stream not in {name.split("/")[1] for name in told}
        told.clear()
        if counter is None:
            continue
        before = counter.statistics()
        numbers[topic] = numbers.get(topic, -1) + 1 + skipped
        assert counter.take(session=SESSIONS[0], sequence=numbers[topic])
        after = counter.statistics()
        counted = LossStatistics(
            received=counted.received + 1, lost=counted.lost + after.lost - before.lost
        )
        books.end(stream, ended=ends)
    now = [counter.statistics() for counter in books.counters.values()]
    everything = [*books.forgotten.values(), *now]
    assert sum(one.received for one in everything) == counted.received
    assert sum(one.lost for one in everything) == counted.lost == books.lost
