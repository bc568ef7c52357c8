"""Subscribers in event loops and with callbacks; what they share with the plain one is tested there."""

import asyncio
import logging
import subprocess
import sys
import threading
import time

import pytest
import wire_engine
from wire_engine import announce, publish, report

import streamdeep.wire
from streamdeep.errors import ConfigurationError
from streamdeep.wire import AsyncSubscriber, EmbeddingMessage, ModelMessage, StatusMessage, listen
from streamdeep.wire.publisher import Publisher

ANY = "tcp://127.0.0.1:*"
DEADLINE_S = 20.0
N_PREFIXES = 4  # of a subscriber with the usual kinds


async def serve_until(publisher, condition):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        publisher.service()
        await asyncio.sleep(0.005)


async def joined(publisher, subscriber):
    """Until all its subscriptions are known, which takes somebody to receive only after a restart."""
    await serve_until(publisher, lambda: publisher.subscriptions >= N_PREFIXES)


def test_messages_come_in_order_in_an_event_loop():
    async def run():
        with Publisher(ANY) as publisher:
            async with AsyncSubscriber(publisher.endpoint, timeout_s=20) as subscriber:
                await joined(publisher, subscriber)
                announce(publisher, "a")
                for number in range(100):
                    publish(publisher, "a", number)
                found = [await anext(aiter(subscriber)) for _ in range(101)]
        assert isinstance(found[0], ModelMessage)
        assert [message.sequence for message in found[1:]] == list(range(100))
        assert subscriber.statistics().lost == 0

    asyncio.run(run())


def test_a_late_joiner_in_an_event_loop_gets_model_and_status_at_once():
    async def run():
        with Publisher(ANY) as publisher:
            announce(publisher, "a")
            report(publisher, "a")
            async with AsyncSubscriber(publisher.endpoint) as subscriber:
                begin_s = time.monotonic()
                serving = asyncio.create_task(serve_until(publisher, lambda: False))
                found = {type(await subscriber.receive(DEADLINE_S)) for _ in range(2)}
                took_s = time.monotonic() - begin_s
                serving.cancel()
        assert found == {ModelMessage, StatusMessage}
        assert took_s < 1

    asyncio.run(run())


def test_cancelling_a_wait_loses_no_message():
    async def run():
        n_sent, found, n_cancelled = 300, [], 0
        with Publisher(ANY) as publisher:
            async with AsyncSubscriber(publisher.endpoint, hold=False) as subscriber:
                await joined(publisher, subscriber)

                async def send():
                    for number in range(n_sent):
                        publish(publisher, "a", number)
                        await asyncio.sleep(0.0005 * (number % 5))

                sending = asyncio.create_task(send())
                while len(found) < n_sent:
                    waiting = asyncio.create_task(subscriber.receive(DEADLINE_S))
                    await asyncio.sleep(0.0007)
                    n_cancelled += waiting.cancel()
                    try:
                        found.append((await waiting).sequence)
                    except asyncio.CancelledError:
                        # Whoever cancels without end gets nothing done.
                        found.append((await subscriber.receive(DEADLINE_S)).sequence)
                await sending
        assert found == list(range(n_sent))
        assert n_cancelled > 10

    asyncio.run(run())


def test_a_sender_that_is_always_ahead_leaves_the_loop_to_others():
    async def run():
        n_turns = 0

        async def work():
            nonlocal n_turns
            while True:
                n_turns += 1
                await asyncio.sleep(0)

        with Publisher(ANY) as publisher:
            async with AsyncSubscriber(publisher.endpoint, hold=False) as subscriber:
                await joined(publisher, subscriber)
                for number in range(50):
                    publish(publisher, "a", number)
                working = asyncio.create_task(work())
                for _ in range(50):
                    assert await subscriber.receive(DEADLINE_S) is not None
                working.cancel()
        assert n_turns >= 50

    asyncio.run(run())


def test_waiting_does_not_keep_the_processor_busy():
    async def run():
        with Publisher(ANY) as publisher:
            async with AsyncSubscriber(publisher.endpoint, hold=False) as subscriber:
                await joined(publisher, subscriber)
                publish(publisher, "a", 0)
                # The message is here, and nobody asks for it: no watching in the meantime.
                begin_s = time.process_time()
                await asyncio.sleep(0.3)
                assert await subscriber.receive(0) is not None
                assert await subscriber.receive(0.3) is None
                assert time.process_time() - begin_s < 0.2

    asyncio.run(run())


def test_an_event_loop_too_comes_back_after_a_restart():
    async def run():
        process, endpoint = wire_engine.start(ANY, "a")
        try:
            async with AsyncSubscriber(endpoint, kinds=["embedding"]) as subscriber:
                first = await subscriber.receive(DEADLINE_S)
                process.kill()
                while subscriber.connections()[0].up:
                    await subscriber.receive(0.05)
                wire_engine.end(process)
                process, _ = wire_engine.start(endpoint, "a")
                begin_s = time.monotonic()
                again = await subscriber.receive(DEADLINE_S)
                assert time.monotonic() - begin_s < 1.5
                assert again.session != first.session
        finally:
            wire_engine.end(process)

    asyncio.run(run())


def test_latest_mode_works_in_an_event_loop():
    async def run():
        with Publisher(ANY) as publisher:
            async with AsyncSubscriber(publisher.endpoint, mode="latest", hold=False) as subscriber:
                await joined(publisher, subscriber)
                for number in range(20):
                    publish(publisher, "a", number)
                report(publisher, "a")
                # One connection keeps order: with the status, everything is here.
                while not (
                    "status/a/" in subscriber.statistics().topics
                    and subscriber.statistics().topics["status/a/"].received
                ):
                    subscriber._drain()
                message = await subscriber.receive(DEADLINE_S)
                assert (message.sequence, type(message)) == (19, EmbeddingMessage)

    asyncio.run(run())


def until(condition):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.002)


def serve_thread_until(publisher, condition):
    until(lambda: (publisher.service(), condition())[1])


def test_callbacks_get_their_kind_of_message_from_one_thread_that_is_not_ours():
    found, threads = [], set()

    def note(message):
        found.append(message)
        threads.add(threading.current_thread())

    with Publisher(ANY) as publisher:
        with listen(publisher.endpoint, on_embedding=note, on_model=note) as listener:
            serve_thread_until(publisher, lambda: publisher.subscriptions >= 3)
            announce(publisher, "a")
            report(publisher, "a")
            publish(publisher, "a", 0)
            until(lambda: len(found) == 2)
        n_found = len(found)
        publish(publisher, "a", 1)
        assert not listener.running
        assert len(threads) == 1
        assert threads != {threading.current_thread()}
        assert [type(message) for message in found] == [ModelMessage, EmbeddingMessage]
        assert len(found) == n_found
        assert listener.statistics().topics["embedding/a/"].received == 1


def test_an_exception_in_a_callback_is_counted_and_logged_and_ends_nothing(caplog):
    found = []

    def fragile(message):
        found.append(message.sequence)
        if message.sequence == 1:
            raise RuntimeError("coffee on the keyboard")

    with Publisher(ANY) as publisher, caplog.at_level(logging.ERROR, "streamdeep.wire"):
        with listen(publisher.endpoint, on_embedding=fragile, hold=False) as listener:
            serve_thread_until(publisher, lambda: publisher.subscriptions >= 3)
            for number in range(3):
                publish(publisher, "a", number)
            until(lambda: len(found) == 3)
        assert found == [0, 1, 2]
        assert listener.errors == {"on_embedding": 1}
        assert "coffee" in caplog.text


def test_a_callback_may_stop_its_listener():
    with Publisher(ANY) as publisher:
        listener = listen(publisher.endpoint, on_embedding=lambda _: listener.stop(), hold=False)
        serve_thread_until(publisher, lambda: publisher.subscriptions >= 3)
        publish(publisher, "a", 0)
        until(lambda: not listener.running)
        listener.stop()


def test_wrong_settings_are_told_where_the_listener_is_made():
    with pytest.raises(ConfigurationError, match="cannot connect"):
        listen("nonsense", on_embedding=print)
    with pytest.raises(ValueError, match="mode"):
        listen(on_embedding=print, mode="newest")


def test_every_name_that_the_package_offers_is_there():
    for name in streamdeep.wire.__all__:
        assert getattr(streamdeep.wire, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        streamdeep.wire.nonsense  # noqa: B018


def test_a_listener_starts_quickly():
    """Sooner than what no listener can do without: measured in one process, since others may work here too."""
    script = (
        "from time import process_time; begin = process_time()\n"
        "import msgpack, numpy, zmq; between = process_time()\n"
        "from streamdeep.wire import Subscriber, AsyncSubscriber, listen\n"
        "print((process_time() - between) / (between - begin))"
    )
    runs = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(10)
    )
    assert any(float(done.stdout) < 1 for done in runs)
