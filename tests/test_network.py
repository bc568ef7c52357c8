"""Sound from the network: exact, taken up again when it breaks off, within budgets, and silent about passwords."""

import contextlib
import os
import re
import signal
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from sound_server import SoundServer, answer, hang, live, pcm, ranges, raw, silence, wav_header
from tiny import noise, tiny_model

from streamdeep.audio.address import parse_address
from streamdeep.audio.file import open_audio
from streamdeep.audio.network import NetworkSource
from streamdeep.audio.ring import single_ring
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.intake.opening import open_source
from streamdeep.pipeline import Pipeline

RATE_HZ = 8000
WAV = wav_header(RATE_HZ)


class Listener:
    """A source that plays into a ring, and what it said."""

    def __init__(self, server, path="sound.wav", *, user="", **options):
        self.server, self.notes = server, []
        self.source = NetworkSource(
            parse_address(server.url(path, user=user)),
            note=lambda event, message: self.notes.append(f"{event}: {message}"),
            **options,
        )
        self.ring = single_ring(1 << 20, self.source.n_channels, self.source.sample_rate_hz)
        self.blocks = []

    def __enter__(self):
        self.source.start(self.ring)
        self.server.started.set()
        return self

    def __exit__(self, *_):
        began_s = time.monotonic()
        self.source.stop()
        assert time.monotonic() - began_s < 2

    @property
    def samples(self):
        return np.concatenate([block.samples for block in self.blocks])

    @property
    def gaps(self):
        return [block for block in self.blocks if block.gap_samples]

    def until(self, found, patience_s=20):
        deadline_s = time.monotonic() + patience_s
        while not found(self):
            assert time.monotonic() < deadline_s, (self.notes, self.ring.error)
            if (block := self.ring.read(1 << 20)) is not None:
                self.blocks.append(block)
            else:
                time.sleep(0.005)
        return self

    def n_samples(self):
        return sum(len(block.samples) for block in self.blocks)

    def to_the_end(self):
        return self.until(lambda _: self.ring.ended)


def has(n_samples):
    return lambda listener: listener.n_samples() >= n_samples


def children():
    """Processes of this one."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


@pytest.mark.parametrize(
    ("name", "subtype", "n_channels"), [("a.wav", "PCM_16", 2), ("a.flac", "PCM_24", 1)]
)
def test_a_file_on_a_web_server_has_the_samples_and_embeddings_of_the_file(
    tmp_path, name, subtype, n_channels
):
    path = tmp_path / name
    soundfile.write(path, noise(30_000, n_channels), 11025, subtype=subtype)
    with (
        SoundServer(answer(path.read_bytes())) as server,
        Listener(server, name, pace="max") as found,
    ):
        assert not found.source.live
        found.to_the_end()
    assert found.ring.error is None
    with open_audio(path) as file:
        expected = list(file.blocks())
    assert found.gaps == []
    np.testing.assert_array_equal(found.samples, np.concatenate([b.samples for b in expected]))

    def embeddings(blocks):
        pipeline = Pipeline(tiny_model(), 11025, n_channels)
        return [e for block in blocks for e in pipeline.push(block)] + pipeline.flush()

    ours, theirs = embeddings(found.blocks), embeddings(expected)
    assert len(ours) == len(theirs) > 5
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.vector, other.vector)
        assert one.start_sample == other.start_sample


@pytest.mark.parametrize(("name", "pace"), [("a.flac", "realtime"), ("a.wav", "max")])
def test_a_file_whose_length_the_server_does_not_state_still_ends(tmp_path, name, pace):
    """The header of a FLAC file says it; at most pace, every end is the end."""
    path = tmp_path / name
    soundfile.write(path, noise(20_000), RATE_HZ, subtype="PCM_16")
    with (
        SoundServer(answer(path.read_bytes(), length=False)) as server,
        Listener(server, name, pace=pace) as found,
    ):
        found.to_the_end()
    assert found.ring.error is None
    assert len(server.requests) == 1
    np.testing.assert_array_equal(found.samples[:, 0], soundfile.read(path, dtype="float32")[0])


def test_a_file_is_played_at_its_own_pace(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(8000), RATE_HZ, subtype="PCM_16")
    with SoundServer(answer(path.read_bytes())) as server, Listener(server) as found:
        began_s = time.monotonic()
        found.to_the_end()
        assert 0.9 < time.monotonic() - began_s < 3
    captured_ns = [block.captured_monotonic_ns for block in found.blocks]
    assert captured_ns == sorted(captured_ns)
    assert 0 <= time.monotonic_ns() - captured_ns[-1] < 2e9


def test_a_file_that_breaks_off_goes_on_where_it_was_if_the_server_can_do_that(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(100_000), RATE_HZ, subtype="PCM_16")
    with (
        SoundServer(ranges(path.read_bytes(), cut=90_000)) as server,
        Listener(server, pace="max") as found,
    ):
        found.to_the_end()
    assert len(server.requests) == 2
    np.testing.assert_array_equal(found.samples[:, 0], soundfile.read(path, dtype="float32")[0])


def test_a_file_that_breaks_off_for_good_is_an_error_after_all_that_came(tmp_path):
    content = wav_header(RATE_HZ, n_bytes=80_000) + pcm(noise(80_000))

    def broken(server, client, head):
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        client.sendall(content[:40_044])

    with SoundServer(broken) as server, Listener(server, pace="max") as found:
        found.to_the_end()
    assert isinstance(found.ring.error, SourceError)
    assert "broke off after" in str(found.ring.error)
    assert 15_000 < found.n_samples() <= 20_000
    np.testing.assert_array_equal(
        found.samples[:, 0], np.round(noise(80_000)[:, 0] * 32767).astype(np.int16)[: found.n_samples()] / 32768
    )  # fmt: skip


def test_a_stream_that_breaks_off_is_taken_up_again_and_the_gap_is_counted():
    first, second = noise(80_000), noise(80_000, seed=1)
    with (
        SoundServer(live(WAV, first), live(WAV, second, then=hang)) as server,
        Listener(server) as found,
    ):
        assert found.source.live
        found.until(has(100_000))
        assert found.source.n_reconnects == 1
        assert [block.gap_estimated for block in found.gaps] == [True]
        # The sound took no time to come; the first wait is about a second.
        assert 0.7 < found.gaps[0].gap_samples / RATE_HZ < 10
        (lost,) = found.gaps
        n_before = sum(len(b.samples) for b in found.blocks[: found.blocks.index(lost)])
        assert lost.start_sample == n_before + lost.gap_samples
    # What came before the start was not captured yet.
    everything = np.concatenate((first[80_000 - n_before :], second))[:, 0]
    expected = np.round(everything * 32767).astype(np.int16).astype(np.float32) / 32768
    np.testing.assert_array_equal(found.samples[:, 0], expected[: found.n_samples()])
    assert any("it ended; next try in" in note for note in found.notes)
    assert any("sound comes again" in note for note in found.notes)


def test_a_stream_that_falls_silent_is_given_up_and_taken_up_again():
    with (
        SoundServer(live(WAV, noise(80_000), then=hang)) as server,
        Listener(server, silent_s=0.5) as found,
    ):
        found.until(lambda _: found.gaps)
    assert any("no sound comes; next try" in note for note in found.notes)


def test_a_decoder_that_dies_takes_nobody_with_it():
    before = children()
    with (
        SoundServer(live(WAV, noise(80_000), then=hang)) as server,
        Listener(server) as found,
    ):
        found.until(has(4000))
        (decoder,) = children() - before
        os.kill(decoder, signal.SIGKILL)
        found.until(lambda _: found.gaps)
        assert decoder not in children()
    assert any("the decoder died (SIGKILL)" in note for note in found.notes)
    assert children() == before


def test_sound_that_changes_its_kind_ends_the_stream_and_says_so():
    scripts = (
        live(WAV, noise(80_000)),
        live(wav_header(16_000), noise(80_000), then=hang),
    )
    with SoundServer(*scripts) as server, Listener(server) as found:
        found.to_the_end()
    assert "16000 Hz and 1 channels, no longer of 8000 Hz" in str(found.ring.error)


def test_a_source_whose_rate_and_channels_are_told_need_not_be_there_yet():
    with (
        SoundServer(raw(b""), live(WAV, noise(80_000), then=hang)) as server,
        Listener(server, sample_rate_hz=RATE_HZ, n_channels=1) as found,
    ):
        found.until(has(4000))
    assert found.gaps == []  # nothing was lost: nothing had begun


def test_a_source_of_another_rate_than_told_is_refused():
    with (
        SoundServer(live(WAV, noise(80_000), then=hang)) as server,
        pytest.raises(SourceError, match="has 8000 Hz and 1 channels, not 16000 and 1"),
    ):
        Listener(server, sample_rate_hz=16000)


def box(kind, *content, n_bytes=None):
    """Of an mp4 file."""
    body = b"".join(content)
    return struct.pack(">I4s", n_bytes or len(body) + 8, kind) + body


FTYP = box(b"ftyp", b"isom\0\0\0\1isom")
HUGE_BOX = FTYP + box(b"moov", bytes(1000), n_bytes=1 << 31)
SIZES = box(b"stsz", struct.pack(">III", 0, 0, 1 << 30))
MANY_ENTRIES = FTYP + box(
    b"moov",
    box(
        b"trak",
        box(
            b"mdia",
            box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 8000, 1 << 30, 0)),
            box(b"hdlr", bytes(8), b"soun", bytes(12)),
            box(b"minf", box(b"stbl", SIZES), n_bytes=1 << 30),
            n_bytes=1 << 30,
        ),
        n_bytes=1 << 30,
    ),
    n_bytes=1 << 30,
)
REFUSED = {
    "silence": (silence, "no sound comes"),
    "half a header of sound": (raw(b"HTTP/1.1 200 OK\r\n\r\nRIFF", hang), "no sound comes"),
    "half a header": (raw(b"HTTP/1.1 200 OK\r\nContent-", hang), "no sound comes"),
    "the end in a header": (raw(b"HTTP/1.1 200 OK\r\n\r\nRIFF\0\0"), "hung up|FFmpeg can read"),
    "no HTTP": (raw(b"\xff\0garbage\r\n" * 1000), "ended before any sound"),
    "a page": (answer(b"<html>no sound</html>" * 100), "no sound that FFmpeg can read"),
    "noise": (answer(np.random.default_rng(0).bytes(200_000)), "FFmpeg can read|decod|no s"),
    "nothing there": (answer(b"", status="404 Not Found"), "404"),
    "a refusal": (answer(b"", status="401 Unauthorized"), "401"),
    "no samples": (answer(wav_header(RATE_HZ, n_bytes=0)), "no samples"),
    "a huge rate": (answer(wav_header(2_000_000) + bytes(10_000)), "2000000 Hz is out of range"),
    "many channels": (answer(wav_header(8000, 2000) + bytes(10_000)), "no samples|out of range"),
    "a box of 2 GB": (answer(HUGE_BOX), "FFmpeg can read|no sound|hung up"),
    "a billion entries": (answer(MANY_ENTRIES), "FFmpeg can read|no sound|hung up|memory"),
    "a way to files": (
        answer(b"", status="302 Found", more="Location: file:///etc/passwd\r\n"), "ot "
    ),
}  # fmt: skip


def refusal(script, path, open_s=1.5, **options):
    with SoundServer(script, *options.pop("scripts", ())) as server:
        with pytest.raises(SourceError) as found:
            Listener(server, path, open_s=open_s, **options)
        return str(found.value), server.port


def test_what_is_no_sound_is_refused_in_one_line_without_the_password():
    before = children()
    with ThreadPoolExecutor(4) as pool:
        found = {
            name: pool.submit(
                refusal,
                script,
                "a.wav?token=hidden",
                1.5 if words == "no sound comes" else 20.0,
                user="joe:secret@",
            )
            for name, (script, words) in REFUSED.items()
        }
    for name, (_, words) in REFUSED.items():
        text, port = found[name].result()
        assert text.startswith(f"http://127.0.0.1:{port}/a.wav?...: "), name
        assert re.search(words, text), (name, text)
        assert "\n" not in text
        assert not any(word in text for word in ("joe", "secret", "hidden"))
    assert children() == before


def test_a_password_reaches_the_server_and_nobody_else():
    def guarded(server, client, head):
        if "Authorization: Basic am9lOnNlY3JldA==" in head:
            live(WAV, noise(80_000))(server, client, head)
        else:
            wanted = 'WWW-Authenticate: Basic realm="yard"\r\n'
            answer(b"", status="401 Unauthorized", more=wanted)(server, client, head)

    with (
        SoundServer(guarded) as server,
        Listener(server, "a.wav?token=hidden", user="joe:secret@") as found,
    ):
        found.until(lambda _: found.gaps)
        assert "token=hidden" in server.requests[0]
    said = [found.source.name, repr(found.source._address), *found.notes]
    assert not any(word in text for text in said for word in ("joe", "secret", "hidden"))


def write_part(path):
    """Two seconds as playlists name them; FFmpeg plays this one by its file: URL too, if it is let."""
    with av.open(path, "w") as part:
        stream = part.add_stream("mp2", rate=16000, layout="mono")
        samples = (noise(32_000)[:, 0] * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = 16000
        part.mux([packet for piece in (frame, None) for packet in stream.encode(piece)])
    return path


def test_a_playlist_reaches_no_file_of_this_machine(tmp_path):
    bait = write_part(tmp_path / "bait.ts")

    def playlist(entry):
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.5,\n{entry}\n#EXT-X-ENDLIST\n"
        return answer(text.encode(), kind="application/vnd.apple.mpegurl")

    def sound(entry):
        missing = answer(b"", status="404 Not Found")
        return refusal(playlist(entry), "list.m3u8", 20.0, scripts=(missing,))

    entries = [
        bait.as_uri(),
        str(bait),
        f"concat:{bait}|{bait}",
        f"subfile,,start,0,end,0,,:{bait}",
    ]
    with ThreadPoolExecutor(2) as pool:
        for text, _ in pool.map(sound, entries):
            assert "list.m3u8" in text


def test_a_playlist_of_what_the_server_has_is_played(tmp_path):
    part = write_part(tmp_path / "part.ts")
    text = b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\npart.ts\n#EXT-X-ENDLIST\n"
    with (
        SoundServer(answer(text), answer(part.read_bytes())) as server,
        Listener(server, "list.m3u8", pace="max") as found,
    ):
        found.to_the_end()
    assert not found.source.live
    assert 30_000 < found.n_samples() < 34_000


def test_a_stream_is_stopped_at_once_whatever_it_waits_for():
    with SoundServer(raw(b""), silence) as server:
        for n_requests in (1, 2):  # in the back-off; in an opening that hangs
            with Listener(server, sample_rate_hz=RATE_HZ, n_channels=1) as found:
                found.until(lambda _, n=n_requests: len(server.requests) >= n)
    with (
        SoundServer(live(WAV, noise(80_000), then=hang)) as server,
        Listener(server) as found,
    ):
        found.until(has(4000))
        source = NetworkSource(parse_address(server.url()))
        source.stop()  # before it was started


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://h/a.wav", ["ftp://", "http"]),
        ("http://", ["needs a host"]),
        ("rtsp://joe:se/cret@cam/1", ["malformed", "%2F"]),
        ("rtsp://joe:secret@cam:port/1", ["malformed"]),
        ("http://joe:secret@h/a b", ["percent-encoded"]),
        ("http://joe:secret@h/a|b", ["percent-encoded"]),
        ("http://joe:secret@h/" + "a" * 3000, ["characters", "2048"]),
        ("udp://127.0.0.1", ["needs a port", "udp://127.0.0.1:5004"]),
        ("udp://cam:5004", ["in numbers"]),
        ("udp://0.0.0.0:5004", ["refusing", "--insecure"]),
        ("rtp://239.0.0.1:5004", ["refusing", "--insecure"]),
        ("udp://@:5004", ["refusing", "--insecure"]),
        ("udp://127.0.0.1:5004?pkt_size=9", ["takes no options"]),
        ("file://elsewhere/a.wav", ["another machine"]),
        ("tcp-listen://0.0.0.0:7000?rate=8000", ["refusing", "--insecure"]),
        ("tcp-listen://127.0.0.1:7000", ["rate", "tcp-listen://127.0.0.1:7000?format=s16le"]),
        ("tcp-listen://127.0.0.1:7000?rate=8000&rate=9000", ["each once"]),
        ("tcp-listen://127.0.0.1:7000?rate=8000&chanels=2", ["format, rate and channels"]),
        ("tcp-listen://127.0.0.1:7000?rate=8", ["rate=8 is out of range"]),
        ("tcp-listen://127.0.0.1:7000?rate=8000&channels=65", ["channels=65"]),
        ("tcp-listen://127.0.0.1:7000?rate=8000&format=mp3", ["s16le and f32le"]),
    ],
)
def test_an_address_that_is_not_taken_is_one_line_with_the_way_out(url, words):
    with pytest.raises(ConfigurationError) as refusal:
        open_source(url, model_rate_hz=RATE_HZ)
    text = str(refusal.value)
    assert all(word in text for word in words), text
    assert not any(word in text for word in ("joe", "secret", "cret", "\n"))


def test_addresses_that_others_reach_are_taken_when_asked_for():
    for url in ("udp://0.0.0.0:5004", "udp://@:5004", "rtp://239.0.0.1:5004", "udp://[::]:5004"):
        parse_address(url, insecure=True)
    assert "localaddr=127.0.0.1" in parse_address("udp://localhost:5004").url


@pytest.mark.parametrize(
    "place", ["concat:a.wav|b.wav", "subfile,,start,0,end,9,,:a.wav", "pipe:0"]
)
def test_what_only_ffmpeg_would_take_for_a_protocol_is_the_name_of_a_file(place):
    with pytest.raises(SourceError, match="there is no file"):
        open_source(place, model_rate_hz=RATE_HZ)


def test_a_file_by_its_uri_is_the_file(tmp_path):
    path = tmp_path / "a b.wav"
    soundfile.write(path, noise(2000), RATE_HZ)
    assert open_source(path.as_uri(), model_rate_hz=RATE_HZ).sample_rate_hz == RATE_HZ


def test_a_run_over_http_is_a_run_of_the_file(command, tmp_path, model_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(30_000), 11025, subtype="PCM_16")
    options = (
        "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--pace", "max", "--no-wait", "--json",
        "--stream", "s",
    )  # fmt: skip

    def ledger(place):
        code, out, err = command("run", place, *options)
        assert code == 0, err
        return out.splitlines()[-1].split('"stream"')[1]

    with SoundServer(answer(path.read_bytes())) as server:
        assert ledger(server.url("a.flac", user="joe:secret@")) == ledger(path)


def test_a_run_without_the_extra_says_which_one(command, model_path, monkeypatch):
    monkeypatch.setattr("streamdeep.audio.decoding.find_spec", lambda name: None)
    code, _, err = command("run", "http://127.0.0.1:1/a.wav", "--model", model_path)
    assert code == 69
    assert "pip install 'streamdeep[network]'" in err.splitlines()[-1]
