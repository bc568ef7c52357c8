"""A recording is what the ring was told: sound, times and losses, whatever became of the disk or the program."""

import contextlib
import os
import resource
import stat
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import noise, tiny_model

from streamdeep.audio.file import FileSource, open_audio
from streamdeep.audio.ring import single_ring
from streamdeep.audio.writer import AudioWriter, bits_needed
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.pipeline import Pipeline
from streamdeep.recording import recorder as module
from streamdeep.recording.archive import pack
from streamdeep.recording.contents import contents
from streamdeep.recording.events import End, Loss, Sound, tell_loss
from streamdeep.recording.files import find_recording
from streamdeep.recording.keeping import Keep
from streamdeep.recording.reader import Recording
from streamdeep.recording.recorder import Recorder
from streamdeep.recording.replay import RecordingSource

RATE_HZ, CAPACITY = 8000, 500
ODD = [np.nan, -np.nan, np.inf, -np.inf, -0.0, 1e-45, 1.0, -1.0, 7e9, 1 / 3]


class Written:
    """A source whose writes a test decides."""

    name, live = "test", True
    sample_rate_hz, n_channels = RATE_HZ, 2

    def start(self, ring):
        self.ring = ring

    def stop(self):
        self.ring.close()


def record(place, play, *, capacity=CAPACITY, source=None, **options):
    """Let ``play(ring)`` write into a ring that is recorded; the recording's folder, and what became of it."""
    source = source or Written()
    with Recorder(place, **options) as recorder:
        recorded = recorder.record("room", source)
        ring = single_ring(capacity, source.n_channels, RATE_HZ)
        recorded.start(ring)
        play(ring)
        ring.close()
    (result,) = recorder.results()
    return result


def told(ring):
    """All that a ring has to tell its reader, in order."""
    found = []
    while (block := ring.read(1 << 30)) is not None:
        found.append(block)
    return found, ring.unreported


def values(n_samples, kind, seed, n_channels=2):
    random = np.random.default_rng(seed)
    if kind == "odd":
        return random.choice(np.array(ODD, np.float32), (n_samples, n_channels))
    if kind == "float":
        return random.uniform(-1, 1, (n_samples, n_channels)).astype(np.float32)
    bits = 16 if kind == "s16" else 24
    drawn = random.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (n_samples, n_channels))
    return (drawn / 2 ** (bits - 1)).astype(np.float32)


WRITES = st.lists(
    st.tuples(
        st.integers(0, 200),  # samples
        st.sampled_from(["s16", "s16", "s24", "float", "odd"]),
        st.sampled_from([0, 0, 0, 1, 333]),  # gap
        st.booleans(),  # estimated
        st.sampled_from([0, 0, 50, 1000]),  # what the engine reads before
    ),
    min_size=1,
    max_size=25,
)


@given(writes=WRITES, segment_s=st.sampled_from([0.01, 0.05, 600.0]))
@settings(max_examples=60, deadline=None)
def test_a_ring_that_hears_a_recording_tells_what_the_first_ring_told(
    tmp_path_factory, writes, segment_s
):
    place = tmp_path_factory.mktemp("place")
    blocks, captured, taken = [], 0, 0

    def play(ring):
        nonlocal captured, taken
        for seed, (n_samples, kind, gap, estimated, n_read) in enumerate(writes):
            if n_read and (block := ring.read(n_read)) is not None:
                blocks.append(block)
            captured += n_samples + gap
            taken += ring.write(
                values(n_samples, kind, seed), captured * 125_000, gap_samples=gap,
                gap_estimated=estimated,
            )  # fmt: skip
        rest, unreported = told(ring)
        blocks.extend(rest)
        play.unreported = unreported

    result = record(place, play, segment_s=segment_s)
    assert (result.samples, result.unrecorded) == (taken, 0)
    if taken == 0:
        assert not result.path.exists()
        return
    again = single_ring(1 << 16, 2, RATE_HZ)
    events = list(Recording(result.path).events())
    assert isinstance(events.pop(), End)
    for event in events:
        if isinstance(event, Loss):
            tell_loss(event, again)
        else:
            assert again.write(event.samples, event.captured_ns) == len(event)
    found, unreported = told(again)
    assert unreported == play.unreported
    assert outline(found) == outline(blocks)


def outline(blocks):
    """Samples, their places and the losses before them, however they are cut into blocks."""
    runs = []
    for block in blocks:
        about = block.start_sample, block.lost_reason, block.gap_samples, block.gap_estimated
        if not runs or runs[-1][1] != block.start_sample or block.gap_samples:
            runs.append([about, block.start_sample, b""])
        runs[-1][1] = block.stop_sample
        runs[-1][2] += block.samples.tobytes()
    return [(about[0], *about[2:], sound) for about, _, sound in runs]


@pytest.mark.parametrize("kind", ["s16", "s24", "float", "odd"])
def test_a_sound_file_reads_back_bit_for_bit(tmp_path, kind):
    samples = values(5000, kind, 1)
    bits = bits_needed(samples)
    assert bits == {"s16": 16, "s24": 24}.get(kind, 32)
    path = tmp_path / "sound"
    writer = AudioWriter(path, RATE_HZ, 2, bits)
    for part in np.array_split(samples, 7):
        writer.write(part)
    writer.close()
    with open_audio(path) as file:
        found = np.concatenate([block.samples for block in file.blocks()])
    assert found.tobytes() == samples.tobytes()
    assert soundfile.info(path).format == ("WAV" if bits == 32 else "FLAC")


def test_times_come_back_as_unix_times_of_each_blocks_last_sample(tmp_path):
    now_ns, began_utc_ns = time.monotonic_ns(), time.time_ns()

    def play(ring):
        for index in range(3):
            ring.write(values(100, "s16", index), now_ns + index * 1_000_003)

    result = record(tmp_path, play)
    times = [event.captured_ns for event in Recording(result.path).events() if len(event)]
    assert np.diff(times).tolist() == [1_000_003] * 2
    assert abs(times[0] - began_utc_ns) < 1_000_000_000


def test_only_the_owner_can_read_a_recording_and_every_closed_file_is_whole(tmp_path):
    place = tmp_path / "place"

    def play(ring):
        for index in range(20):
            ring.write(values(100, "s16" if index < 10 else "float", index), index)

    result = record(place, play, segment_s=0.05, capacity=4000)
    assert stat.S_IMODE(place.stat().st_mode) == stat.S_IMODE(result.path.stat().st_mode) == 0o700
    files = sorted(result.path.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    sounds = [path for path in files if path.suffix in (".flac", ".wav")]
    assert {path.suffix for path in sounds} == {".flac", ".wav"}
    assert sum(soundfile.info(path).frames for path in sounds) == result.samples == 2000
    held = contents(Recording(result.path))
    assert (held.samples, held.segments, held.ended) == (2000, len(sounds), True)


# --- when the disk is full -------------------------------------------------------------------------------


@contextlib.contextmanager
def files_limited_to(n_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def n_written(place):
    """How many samples the index of the recording that is going on speaks of."""
    with contextlib.suppress(SourceError), Recording(find_recording(place)) as recording:
        return contents(recording).samples
    return 0


@pytest.mark.parametrize("kind", ["s16", "float"])
def test_what_was_written_before_the_disk_was_full_is_whole_and_the_rest_is_said(tmp_path, kind):
    notes, sound = [], values(60_000, kind, 3)
    stopped, going = threading.Event(), threading.Event()

    def note(message):
        notes.append(message)
        (going if "goes on" in message.split(";")[0] else stopped).set()

    def play(ring):
        ring.write(sound[:8000], 1)
        while n_written(tmp_path) < 8000:  # some of it is on the disk, and in the encoder
            time.sleep(0.01)
        with files_limited_to(100_000):
            for at in range(8000, len(sound), 400):
                assert ring.write(sound[at : at + 400], at) == 400
            assert stopped.wait(20)
        assert going.wait(20)
        ring.write(values(777, kind, 4), 1)

    result = record(tmp_path, play, capacity=100_000, note=note)
    assert notes[0].startswith("recording stopped: File too large")
    assert result.samples + result.unrecorded == len(sound) + 777
    position, kept = 0, 0
    for event in Recording(result.path).events():
        if isinstance(event, Sound) and position < len(sound):
            expected = sound[position : position + len(event)]
            assert event.samples.tobytes() == expected.tobytes()
            kept += len(event)
        position += len(event)
    assert position == len(sound) + 777
    assert kept + 777 == result.samples
    assert result.unrecorded < 4096 * 3  # what libFLAC had not handed over, at most, each time
    for path in result.path.glob("0*.flac"):
        assert soundfile.SoundFile(path).read(1).shape == (1, 2)


def test_a_disk_that_hangs_costs_the_recording_and_not_the_engine(tmp_path, monkeypatch):
    """The recorder's thread is held up in a write; the queue fills, the ring does not notice."""
    held, release = threading.Event(), threading.Event()

    def hang(place, *, to_resume):
        held.set()
        return release.wait(30) and not to_resume

    monkeypatch.setattr(module, "has_room", hang)
    monkeypatch.setattr(module, "QUEUES_BYTES", 8 * 1000)  # the least is 2 s: 16,000 samples
    sound = values(20_000, "s16", 5)

    def play(ring):
        assert held.wait(10)
        for at in range(0, 20_000, 100):
            assert ring.write(sound[at : at + 100], at) == 100
        release.set()

    result = record(tmp_path, play, capacity=20_000)
    assert (result.samples, result.unrecorded) == (16_000, 4000)
    events = [event for event in Recording(result.path).events() if len(event)]
    assert sum(map(len, events[:-1])) == 16_000
    assert events[-1] == Loss(4000, "unrecorded")


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot record to"):
        Recorder(tmp_path / "file")


# --- programs that were killed, files that were damaged ----------------------------------------------------


@pytest.fixture
def recorded(tmp_path):
    """A recording of three segments: 100 blocks of 100 samples, with a gap."""

    def play(ring):
        for index in range(100):
            ring.write(
                values(100, "s16", index), index * 12_500_000, gap_samples=50 * (index == 40)
            )

    return record(tmp_path / "place", play, capacity=20_000, segment_s=0.5).path


def last(folder, suffix):
    return sorted(folder.glob(f"0*.{suffix}"))[-1]


def n_sounds(folder):
    return sum(len(event) for event in Recording(folder).events() if isinstance(event, Sound))


def test_an_index_that_breaks_off_ends_there(recorded):
    index = last(recorded, "jsonl")
    index.write_bytes(
        index.read_bytes()[:-150]
    )  # the last line is gone, and half of the one before
    assert 8000 <= n_sounds(recorded) <= 10_000


def test_a_sound_file_that_breaks_off_and_was_never_closed_is_read_to_its_end(recorded):
    index, audio = last(recorded, "jsonl"), last(recorded, "flac")
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(line for line in lines if b'"closed"' not in line))
    audio.write_bytes(audio.read_bytes()[: audio.stat().st_size // 2])
    assert 8000 <= n_sounds(recorded) < 10_000
    audio.write_bytes(b"")
    assert n_sounds(recorded) == 8000


def test_segments_that_are_gone_show_as_a_loss_and_not_as_an_error(recorded):
    first, second, *_ = sorted(recorded.glob("0*.jsonl"))
    for path in (second, second.with_suffix(".flac")):
        path.unlink()
    losses = [event for event in Recording(recorded).events() if isinstance(event, Loss)]
    assert losses == [Loss(4050, "unrecorded")]
    first.unlink()
    begins = next(iter(Recording(recorded).events()))
    assert begins == Loss(8050, "unrecorded")


DAMAGE = {
    "a bit of the sound": lambda folder: flip(last(folder, "flac")),
    "no sound": lambda folder: last(folder, "flac").unlink(),
    "no JSON": lambda folder: append(folder, b"{{{{\n"),
    "nested": lambda folder: append(folder, b'{"kind":' + b"[" * 60_000 + b"\n"),
    "a long line": lambda folder: append(folder, b'{"kind": "' + b"a" * 70_000 + b'"}\n'),
    "less than none": lambda folder: append(
        folder, b'{"kind":"lost","samples":-1,"why":"gap"}\n'
    ),
    "beyond 64 bits": lambda folder: append(
        folder, b'{"kind":"lost","samples":99999999999999999999,"why":"gap"}\n'
    ),
    "times missing": lambda folder: append(
        folder, b'{"kind":"blocks","samples":[1,2],"captured_ns":[1]}\n'
    ),
    "twice": lambda folder: (folder / "000009.jsonl").write_bytes(
        last(folder, "jsonl").read_bytes()
    ),
    "another rate": lambda folder: rewrite(
        folder / "recording.json", b"8000", b"9000"
    ),
    "a new format": lambda folder: rewrite(folder / "recording.json", b'"format": 1', b'"format": 2'),
    "no description": lambda folder: (folder / "recording.json").write_text("[]"),
    "a stream that is a path": lambda folder: rewrite(
        folder / "recording.json", b'"room"', b'"../../etc"'
    ),
}  # fmt: skip


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def append(folder, line):
    index = last(folder, "jsonl")
    index.write_bytes(index.read_bytes() + line)


def rewrite(path, old, new):
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_damaged_recording_is_one_line_of_error(recorded, tmp_path, damage, packed):
    damage(recorded)
    path = recorded
    if packed:
        path = tmp_path / "one.sdrec"
        pack(recorded, path)
    with pytest.raises(SourceError) as caught, Recording(path) as recording:
        list(recording.events())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_kinds_of_lines_and_keys_that_are_not_known_are_passed_over(recorded):
    append(recorded, b'{"kind":"weather","wind":3}\n{"kind":"end","error":null,"mood":1}\n')
    assert n_sounds(recorded) == 10_000


@given(content=st.binary(max_size=300), cut=st.integers(0, 3000), at=st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_no_archive_whatever_does_more_than_fail(tmp_path_factory, content, cut, at):
    folder = tmp_path_factory.mktemp("fuzz")
    made = record(folder, lambda ring: ring.write(values(50, "s16", 0), 1)).path
    pack(made, folder / "one.sdrec")
    whole = (folder / "one.sdrec").read_bytes()
    path = folder / "two.sdrec"
    path.write_bytes(whole[: at % len(whole)] + content + whole[cut:])
    with contextlib.suppress(SourceError), Recording(path) as recording:
        list(recording.events())


# --- one file, and what is kept ----------------------------------------------------------------------------


def test_an_archive_holds_the_same_as_its_folder_and_unpacks_to_it(recorded, tmp_path):
    path = tmp_path / "bug.sdrec"
    assert pack(recorded, path) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def heard(place):
        with Recording(place) as recording:
            return [
                (len(event), event.samples.tobytes(), event.captured_ns)
                if isinstance(event, Sound)
                else event
                for event in recording.events()
            ]

    expected = heard(recorded)
    assert heard(path) == expected
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert heard(tmp_path / "unpacked") == expected
    with pytest.raises(ConfigurationError, match="is there already"):
        pack(recorded, path)


def test_a_compressed_sound_file_is_refused_because_it_might_be_a_bomb(recorded, tmp_path):
    path = tmp_path / "bomb.sdrec"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in recorded.iterdir():
            archive.write(file, file.name)
    with pytest.raises(SourceError, match="compressed"), Recording(path) as recording:
        list(recording.events())


def test_old_segments_go_and_what_is_left_says_where_it_begins(tmp_path):
    def play(ring):
        for index in range(40):
            ring.write(values(100, "s16", index), index)

    first = record(tmp_path, play, segment_s=0.1, capacity=9000).path
    assert len(list(first.glob("*.flac"))) == 5
    for index, path in enumerate(sorted(first.glob("0*"))):
        os.utime(path, (1000 + index, 1000 + index))
    sizes = sum(path.stat().st_size for path in first.glob("0*"))
    second = record(
        tmp_path, play, segment_s=0.1, capacity=9000, keep=Keep(gigabytes=0.75 * sizes / 1e9)
    ).path
    left = sorted(path.name for path in first.glob("0*.flac"))
    assert left == ["000003.flac", "000004.flac", "000005.flac"]
    assert next(iter(Recording(first).events())) == Loss(1600, "unrecorded")
    assert n_sounds(second) == 4000
    with Recorder(tmp_path, keep=Keep(hours=1)):  # the files of the first are from 1970
        pass
    assert not first.exists()
    assert n_sounds(second) == 4000


def test_the_only_recording_in_a_place_need_not_be_named(tmp_path, recorded):
    assert find_recording(recorded.parent) == find_recording(recorded) == recorded
    with pytest.raises(SourceError, match="no recording"):
        find_recording(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"it is no \.sdrec file"):
        find_recording(tmp_path / "empty")
    record(recorded.parent, lambda ring: ring.write(values(9, "s16", 1), 1))
    with pytest.raises(SourceError, match="holds 2 recordings"):
        find_recording(recorded.parent)


# --- played again ------------------------------------------------------------------------------------------


def test_a_replay_gives_the_embeddings_epochs_and_gaps_of_the_first_time(tmp_path):
    model, sound = tiny_model(), noise(24_000, 2)

    def embedded(blocks):
        pipeline = Pipeline(model, RATE_HZ, 2)
        found = [record for block in blocks for record in pipeline.push(block)] + pipeline.flush()
        return [
            (record.vector.tobytes(), record.epoch, record.start_sample, record.n_samples,
             record.gap_samples, record.flags)
            for record in found
        ], pipeline.ledger()  # fmt: skip

    heard = []

    def play(ring):
        for at in range(0, len(sound), 300):
            if at in (9000, 18_300):
                heard.extend(told(ring)[0])
            ring.write(sound[at : at + 300], at, gap_samples=70 * (at == 4500))
        heard.extend(told(ring)[0])

    result = record(tmp_path, play, capacity=9000)
    expected = embedded(heard)
    assert {epoch for _, epoch, *_ in expected[0]} == {0, 1, 2}
    assert embedded(Recording(result.path).blocks()) == expected

    ring = single_ring(1000, 2, RATE_HZ, wake=(woken := threading.Event()).set)
    source = RecordingSource(result.path, pace="max")
    source.start(ring)
    again = []
    while not ring.ended:
        woken.wait(1)
        woken.clear()
        while (block := ring.read(400)) is not None:
            again.append(block)
    source.stop()
    assert ring.error is None
    assert embedded(again) == expected


def test_a_replay_that_is_stopped_ends(recorded):
    source = RecordingSource(recorded, pace="max")
    ring = single_ring(100, 2, RATE_HZ)  # nobody reads it
    source.start(ring)
    source.stop()
    assert not any(thread.name.startswith("replay") for thread in threading.enumerate())


def test_a_source_that_can_wait_is_recorded_whole_at_any_pace(tmp_path, write_sound):
    path = write_sound("long.wav", noise(RATE_HZ * 100), subtype="PCM_16")
    source = FileSource(Path(path), pace="max")
    with Recorder(tmp_path / "place") as recorder:
        ring = single_ring(RATE_HZ, 1, RATE_HZ, wake=(woken := threading.Event()).set)
        recorder.record("file", source).start(ring)
        while not ring.ended:
            woken.wait(1)
            woken.clear()
            while ring.read(1 << 20) is not None:
                pass
        source.stop()
    (result,) = recorder.results()
    assert (result.samples, result.unrecorded) == (RATE_HZ * 100, 0)
    with open_audio(Path(path)) as file:
        expected = b"".join(block.samples.tobytes() for block in file.blocks())
    found = b"".join(
        event.samples.tobytes()
        for event in Recording(result.path).events()
        if isinstance(event, Sound)
    )
    assert found == expected


def test_a_stream_that_cannot_be_recorded_costs_the_others_nothing(tmp_path):
    notes = []
    with Recorder(tmp_path, note=notes.append) as recorder:
        rings = []
        for name in ("bad", "good"):
            rings.append(single_ring(9000, 2, RATE_HZ))
            recorder.record(name, Written()).start(rings[-1])
        recorder.results()[0].path.touch()  # a file where the folder would be
        for ring in rings:
            ring.write(values(500, "s16", 1), 1)
            ring.close()
    bad, good = recorder.results()
    assert (bad.samples, bad.unrecorded) == (0, 500)
    assert (good.samples, good.unrecorded) == (500, 0)
    assert n_sounds(good.path) == 500
    assert notes[0].startswith("recording stopped: ")


def test_a_recording_of_a_name_that_was_there_before_begins_where_the_name_ended(tmp_path):
    with Recorder(tmp_path) as recorder:
        ring = single_ring(9000, 2, RATE_HZ, first_sample=7000)
        recorder.record("room", Written()).start(ring)
        ring.write(values(500, "s16", 1), 1)
        ring.close()
    with Recording(recorder.results()[0].path) as recording:
        assert recording.about.first_sample == 7000
        assert [type(event) for event in recording.events()] == [Sound, End]
        assert [block.start_sample for block in recording.blocks()] == [7000]
