"""What was received as pandas and Arrow tables."""

import threading
import time

import numpy as np
import pandas as pd
import pyarrow
import pytest
from wire_engine import announce, publish

from streamdeep.errors import ConfigurationError
from streamdeep.records import Embedding, Flag
from streamdeep.tables import arrow_table, collect, data_frame
from streamdeep.wire import Subscriber
from streamdeep.wire.publisher import Publisher

ANY = "tcp://127.0.0.1:*"
COLUMNS = (
    "stream session epoch sequence start_sample n_samples sample_rate_hz captured_utc flags model "
    "level_dbfs novelty embedding"
).split()


@pytest.fixture
def running():
    """A publisher that sends an embedding of each of two streams every 5 ms, and a subscriber."""
    stopping = threading.Event()
    with Publisher(ANY) as publisher:

        def run():
            number = 0
            for stream in ("a", "b"):
                announce(publisher, stream, dim=4)
            while not stopping.wait(0.005):
                publisher.service()
                for stream in ("a", "b"):
                    publish(publisher, stream, number)
                number += 1

        thread = threading.Thread(target=run)
        thread.start()
        with Subscriber(publisher.endpoint) as subscriber:
            yield subscriber
        stopping.set()
        thread.join()


def test_so_many_messages_or_so_many_seconds_are_collected(running):
    assert len(collect(running, 20)) == 20
    begin_s = time.monotonic()
    found = collect(running, duration_s=0.2)
    assert 0.2 <= time.monotonic() - begin_s < 2
    assert len(found) > 5
    assert len(collect(running, 3, duration_s=60)) == 3
    assert collect(running, 0) == []
    with pytest.raises(ValueError, match="never end"):
        collect(running)


def test_arrow_has_a_row_per_message_and_a_type_per_column(running):
    messages = collect(running, 10)
    table = arrow_table(messages)
    assert table.column_names == COLUMNS
    assert table.schema.field("captured_utc").type == pyarrow.timestamp("ns", "UTC")
    assert table.schema.field("embedding").type == pyarrow.list_(pyarrow.float32(), 4)
    assert table.schema.field("novelty").type == pyarrow.float64()
    assert table["start_sample"].to_pylist() == [message.start_sample for message in messages]
    assert table["novelty"].null_count == 10
    assert table["embedding"].to_pylist() == [message.vector.tolist() for message in messages]
    assert table["captured_utc"].cast(pyarrow.int64()).to_pylist() == [
        message.captured_utc_ns for message in messages
    ]


def test_pandas_has_the_same_columns(running):
    messages = collect(running, 10)
    frame = data_frame(messages)
    assert list(frame.columns) == COLUMNS
    assert frame["captured_utc"].dtype == pd.DatetimeTZDtype("ns", "UTC")
    assert frame["captured_utc"].astype("int64").tolist() == [m.captured_utc_ns for m in messages]
    assert set(frame["stream"]) == {"a", "b"}
    assert frame["session"].nunique() == 1
    assert np.array_equal(np.stack(frame["embedding"]), np.stack([m.vector for m in messages]))


def test_flags_and_novelty_are_kept():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint, hold=False) as subscriber:
        while publisher.subscriptions < 4:
            publisher.wait(0.1)
            publisher.service()
        embedding = Embedding(
            np.ones(4, np.float32), 2, 5, 10, 8000, -20.0, -3.0,
            flags=Flag.CLIPPED | Flag.PARTIAL, novelty=0.5,
        )  # fmt: skip
        publisher.publish_embedding(
            "a", embedding, model=bytes(8), captured_monotonic_ns=0, stages_ns={}
        )
        (row,) = arrow_table(collect(subscriber, 1)).to_pylist()
    assert (row["epoch"], row["flags"], row["novelty"], row["model"]) == (2, 9, 0.5, "00" * 8)


def test_what_makes_no_table_is_refused_in_words():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint, hold=False) as subscriber:
        while publisher.subscriptions < 4:
            publisher.wait(0.1)
            publisher.service()
        publish(publisher, "a", 0, dim=4)
        publish(publisher, "b", 0, dim=6)
        messages = collect(subscriber, 2)
    for make in (arrow_table, data_frame):
        with pytest.raises(ConfigurationError, match="4 and 6 numbers"):
            make(messages)
        with pytest.raises(ConfigurationError, match="no embeddings came"):
            make([])
