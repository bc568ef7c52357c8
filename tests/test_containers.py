"""Files that libsndfile does not read: by FFmpeg, to the sample, and with a way out where it is not installed."""

import av
import numpy as np
import pytest
import soundfile
from tiny import noise, tiny_model

from streamdeep.audio.container import ContainerFile
from streamdeep.audio.file import AudioFile, FileSource, open_audio
from streamdeep.audio.ring import single_ring
from streamdeep.cli.sound_files import embeddings_of
from streamdeep.errors import SourceError

RATE_HZ = 16000


def encode(path, codec, samples, rate_hz=RATE_HZ, holes=(), **options):
    """Write a file with PyAV; ``holes`` are (sample, samples missing there), in whole packets of 1,000."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    integers = (samples * 32767).astype(np.int16)
    with av.open(path, "w", **options) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        shift = 0
        for start in range(0, len(integers), 1000):
            shift += sum(missing for sample, missing in holes if sample == start)
            piece = np.ascontiguousarray(integers[start : start + 1000]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, "s16", layout)
            frame.sample_rate, frame.pts = rate_hz, start + shift
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return integers.astype(np.float32) / 32768


@pytest.mark.parametrize(
    ("name", "subtype", "n_channels"),
    [
        ("a.wav", "PCM_16", 1),
        ("a.wav", "PCM_U8", 2),
        ("a.wav", "PCM_24", 2),
        ("a.wav", "PCM_32", 1),
        ("a.wav", "FLOAT", 3),
        ("a.wav", "DOUBLE", 1),
        ("a.wav", "ULAW", 1),
        ("a.flac", "PCM_16", 2),
        ("a.flac", "PCM_24", 1),
        ("a.aiff", "PCM_S8", 1),
        ("a.aiff", "PCM_16", 4),
        ("a.caf", "PCM_24", 2),
        ("a.au", "PCM_16", 1),
        ("a.w64", "PCM_32", 2),
    ],
)
def test_ffmpeg_and_libsndfile_give_the_same_samples_however_they_are_cut(
    tmp_path, name, subtype, n_channels
):
    path = tmp_path / name
    soundfile.write(path, noise(20_000, n_channels), 11025, subtype=subtype)
    with AudioFile(path) as file:
        expected = np.concatenate([block.samples for block in file.blocks()])
    for block_samples in (1000, 4097, 65536):
        with ContainerFile(path) as file:
            assert (file.sample_rate_hz, file.n_channels) == (11025, n_channels)
            blocks = list(file.blocks(block_samples))
        at = 0
        for block in blocks:
            assert block.start_sample == at
            assert len(block.samples) <= block_samples
            at = block.stop_sample
        np.testing.assert_array_equal(np.concatenate([b.samples for b in blocks]), expected)


@pytest.mark.parametrize(
    ("name", "codec", "exact"),
    [
        ("a.m4a", "alac", True),
        ("a.mka", "flac", True),
        ("a.mka", "pcm_s16le", True),
        ("a.m4a", "aac", False),
        ("a.mp4", "aac", False),
        ("a.mkv", "aac", False),
        ("a.ts", "mp2", False),
        ("a.flv", "aac", False),
        ("a.aac", "aac", False),
    ],
)
def test_a_container_by_plain_path_is_embedded_like_any_file(tmp_path, name, codec, exact):
    path = tmp_path / name
    expected = encode(path, codec, noise(40_000, 2))
    with open_audio(path) as file:
        blocks = list(file.blocks())
    samples = np.concatenate([block.samples for block in blocks])
    assert not any(block.gap_samples for block in blocks)
    if exact:
        np.testing.assert_array_equal(samples, expected)
    assert abs(len(samples) - len(expected)) <= 2 * 1152
    embeddings = embeddings_of(path, tiny_model(), None)
    if exact:
        wav = tmp_path / "b.wav"
        soundfile.write(wav, expected, RATE_HZ, subtype="PCM_16")
        for ours, theirs in zip(embeddings, embeddings_of(wav, tiny_model(), None), strict=True):
            assert (ours.start_sample, ours.n_samples) == (theirs.start_sample, theirs.n_samples)
            np.testing.assert_array_equal(ours.vector, theirs.vector)
    assert len(embeddings) > 5


def test_a_hole_in_a_recording_is_a_gap_of_exactly_so_many_samples(tmp_path):
    path = tmp_path / "a.mka"
    samples = noise(20_000)
    encode(path, "pcm_s16le", samples, holes=[(5000, 8000), (12_000, 2000)])
    with open_audio(path) as file:
        blocks = list(file.blocks())
    assert [(b.start_sample, b.gap_samples) for b in blocks] == [
        (0, 0), (13_000, 8000), (22_000, 2000)
    ]  # fmt: skip
    for pace in ("max", "realtime"):
        source = FileSource(path, pace=pace)
        ring = single_ring(1 << 17, 1, RATE_HZ)
        source.start(ring)
        found, gaps = 0, 0
        while not ring.ended:
            if (block := ring.read(1 << 17)) is not None:
                found, gaps = found + len(block.samples), gaps + (block.gap_samples or 0)
        assert (found, gaps) == (20_000, 10_000)
        source.stop()


def test_without_pyav_the_error_says_what_to_install(tmp_path, command, monkeypatch, model_path):
    path = tmp_path / "a.m4a"
    encode(path, "aac", noise(20_000))
    monkeypatch.setattr("streamdeep.audio.decoding.find_spec", lambda name: None)
    for verb, options in (("run", ()), ("embed", ("--out", tmp_path / "out.npz"))):
        code, _, err = command(verb, path, "--model", model_path, *options)
        assert code == 66
        assert "pip install 'streamdeep[network]'" in err
        assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"ffconcat version 1.0\nfile b.wav\n"),
        ("a.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.5,\nb.wav\n#EXT-X-ENDLIST\n"),
        ("concat:b.wav|b.wav", b"x"),
        ("http:", b"no sound"),
    ],
)
def test_a_file_is_nothing_but_itself(tmp_path, monkeypatch, name, content):
    """No list of other files, and no name that FFmpeg takes for an address."""
    soundfile.write(tmp_path / "b.wav", noise(20_000), RATE_HZ)
    (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="is not a sound file"):
        open_audio((tmp_path / name).relative_to(tmp_path))
