"""Raw samples from whoever connects: exact however they are cut, one client at a time, nobody silently."""

import contextlib
import socket
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_server import pcm
from tiny import noise

from streamdeep.audio.listen import ListenSource
from streamdeep.audio.ring import single_ring
from streamdeep.errors import SourceError

RATE_HZ = 8000


@contextlib.contextmanager
def listening(query="rate=8000", capacity=1 << 20, **options):
    notes = []
    source = ListenSource(
        f"tcp-listen://127.0.0.1:0?{query}",
        note=lambda event, message: notes.append(message),
        **options,
    )
    ring = single_ring(capacity, source.n_channels, source.sample_rate_hz)
    source.start(ring)
    try:
        yield source, ring, notes
    finally:
        began_s = time.monotonic()
        source.stop()
        assert time.monotonic() - began_s < 2


def client(source):
    return socket.create_connection(("127.0.0.1", source.port))


def until(found, patience_s=10):
    deadline_s = time.monotonic() + patience_s
    while not found():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def read(ring, n_samples):
    blocks = []

    def enough():
        if (block := ring.read(1 << 20)) is not None:
            blocks.append(block)
        return sum(len(block.samples) for block in blocks) >= n_samples

    until(enough)
    return blocks


def values(blocks):
    return np.concatenate([block.samples for block in blocks])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 5000), max_size=8), st.sampled_from([1, 2, 3]))
def test_samples_are_those_that_were_sent_however_they_were_cut(cuts, n_channels):
    sent = noise(6000, n_channels)
    content, at = sent.astype("<f4").tobytes(), 0
    query = f"rate=8000&format=f32le&channels={n_channels}"
    with listening(query) as (source, ring, _), client(source) as sender:
        for cut in cuts:
            sender.sendall(content[at : at + cut])
            at += cut
        sender.sendall(content[at:])
        blocks = read(ring, 6000)
    np.testing.assert_array_equal(values(blocks), sent)
    assert not any(block.gap_samples for block in blocks)


def test_a_sender_that_is_faster_than_the_engine_waits_and_loses_nothing():
    sent = noise(100_000)[:, 0]
    with listening(capacity=2000) as (source, ring, _), client(source) as sender:
        sender.settimeout(0.2)
        content, at = pcm(sent), 0
        blocks = []

        def all_there():
            nonlocal at
            if at < len(content):
                with contextlib.suppress(TimeoutError):
                    at += sender.send(content[at : at + 10_000])
            if (block := ring.read(1 << 20)) is not None:
                blocks.append(block)
            return sum(len(block.samples) for block in blocks) >= len(sent)

        until(all_there, 30)
    np.testing.assert_array_equal(
        values(blocks)[:, 0], np.round(sent * 32767).astype(np.int16) / np.float32(32768)
    )
    assert not any(block.gap_samples for block in blocks)


def test_the_next_client_begins_an_epoch_and_what_was_missed_is_estimated():
    with listening() as (source, ring, notes):
        with client(source) as sender:
            sender.sendall(pcm(noise(800)) + b"\x01")  # half a sample more
            (first, *_) = read(ring, 800)
        until(lambda: any("is gone; waiting for the next" in note for note in notes))
        left_s = time.monotonic()
        while time.monotonic() < left_s + 0.3:
            time.sleep(0.05)
        with client(source) as sender:
            sender.sendall(pcm(noise(800, seed=1)))
            blocks = read(ring, 800)
        until(lambda: source.n_clients == 2)
    assert first.gap_samples == 0
    lost = blocks[0]
    assert lost.gap_estimated
    assert 0.3 - 0.1 < lost.gap_samples / RATE_HZ < 5
    assert lost.start_sample == 800 + lost.gap_samples
    expected = np.round(noise(800, seed=1)[:, 0] * 32767).astype(np.int16) / np.float32(32768)
    np.testing.assert_array_equal(values(blocks)[:, 0], expected)


def test_who_comes_while_another_is_there_is_turned_away():
    with listening() as (source, ring, notes), client(source) as sender:
        sender.sendall(pcm(noise(800)))
        read(ring, 800)
        with client(source) as stranger:
            stranger.settimeout(5)
            with contextlib.suppress(ConnectionError):
                stranger.sendall(pcm(noise(800)))
                assert stranger.recv(1) == b""
        sender.sendall(pcm(noise(400)))
        blocks = read(ring, 400)
        assert not any(block.gap_samples for block in blocks)
        until(lambda: any("was turned away" in note for note in notes))
        assert source.n_clients == 1


def test_a_client_that_says_nothing_makes_room_for_the_next():
    with listening(silent_s=0.3) as (source, ring, notes):
        with client(source):
            until(lambda: any("said nothing for 0.3 s" in note for note in notes))
        with client(source) as sender:
            sender.sendall(pcm(noise(800)))
            blocks = read(ring, 800)
    assert blocks[0].gap_samples == 0  # nothing had begun


def test_a_port_that_is_taken_is_one_line():
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(SourceError, match="choose another port"),
    ):
        ListenSource(f"tcp-listen://127.0.0.1:{other.getsockname()[1]}?rate=8000")
