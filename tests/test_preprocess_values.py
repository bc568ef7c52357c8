"""One clip's values: equal to auDeep's, and to its published steps written down again with plain NumPy."""

import json

import numpy as np
import pytest
import soundfile
from places import audeep_golden
from pydantic import ValidationError
from test_frontend_audeep import CASES, CHANNELS, RATE_HZ

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.preprocess.compute import fixed_length, rows_of
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.preprocess.picture import decibels_of

AUDEEP = {"pre_emphasis": 0.95, "remove_frame_mean": True, "normaliser": "segment"}
TOLERANCE = 1e-4


@pytest.fixture
def write(tmp_path):
    def write(samples, rate_hz=8000, name="a.wav"):
        path = tmp_path / name
        soundfile.write(path, samples, rate_hz, subtype="FLOAT")
        return path

    return write


def rows(path, options, rate_hz=8000):
    return rows_of(path, options, frontend=options.frontend(options.sample_rate_hz or rate_hz))


def noise(n_samples, n_channels=1, seed=0):
    random = np.random.default_rng(seed)
    envelope = np.geomspace(1e-3, 0.3, n_samples)[:, None]
    return (random.standard_normal((n_samples, n_channels)) * envelope).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_golden_cases_are_audeeps(name, write):
    golden = audeep_golden()
    case = json.loads(str(golden["meta_json"]))[name]
    expected = golden[f"spec_{name}"]
    stereo = golden["wav_stereo_16k"]
    path = write(stereo if case["file"] == "stereo" else stereo[:, 0], RATE_HZ)
    options = PreprocessOptions(
        **AUDEEP,
        window_s=case["window_width"],
        overlap_s=case["window_overlap"],
        n_bands=case["mel_bands"],
        channel=CHANNELS[case["channel_fusion"]],
        clip_below_db=case.get("clip_power_below"),
        fixed_length_s=case.get("fixed_length"),
        centred=case.get("center_fixed", False),
        chunk_length_s=case.get("chunk_length"),
        chunk_count=case.get("chunk_count"),
    )
    if case.get("mean_norm", True):
        np.testing.assert_allclose(rows(path, options, RATE_HZ), expected, atol=TOLERANCE, rtol=0)
    else:  # what is drawn, not what is written: dB before the stretch
        db, kept = decibels_of(path, options, frontend=options.frontend(RATE_HZ))
        np.testing.assert_allclose(np.clip(db, *kept), expected[0], atol=1e-3, rtol=0)


def published_steps(samples, rate_hz, *, window_s, overlap_s, n_bands, below_db, length_s):
    """The steps in double precision, frame by frame, of a mono signal."""
    n_fixed = int(length_s * rate_hz)
    signal = np.zeros(n_fixed)
    signal[: min(n_fixed, len(samples))] = samples[:n_fixed]
    signal = signal - 0.95 * np.concatenate(([0.0], signal[:-1]))
    window, overlap = int(rate_hz * window_s), int(rate_hz * overlap_s)
    expected = int((length_s - overlap_s) / (window_s - overlap_s))
    found = (n_fixed - overlap) // (window - overlap)
    overlap += np.sign(expected - found)
    hop = window - overlap
    frames = np.array(
        [signal[at : at + window] for at in range(0, n_fixed - window + 1, hop)], dtype=np.float64
    )
    frames -= frames.mean(axis=1, keepdims=True)
    hann = np.sin(np.pi * np.arange(window) / window) ** 2
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    top_mel = 2595.0 * np.log10(1.0 + rate_hz / 2.0 / 700.0)
    corners_hz = 700.0 * (10.0 ** (np.linspace(0.0, top_mel, n_bands + 2) / 2595.0) - 1.0)
    corners = np.floor((window + 1) * corners_hz / rate_hz).astype(int)
    bank = np.zeros((n_bands, power.shape[1]))
    for band in range(n_bands):
        low, middle, high = corners[band : band + 3]
        for k in range(low, middle):
            bank[band, k] = (k - low) / (middle - low)
        for k in range(middle, high):
            bank[band, k] = (high - k) / (high - middle)
    mel = power @ bank.T
    db = 10.0 * np.log10(np.maximum(mel, mel[mel > 0].min()) / mel.max())
    db = np.maximum(db, below_db)
    return 2.0 * (db - db.min()) / (db.max() - db.min()) - 1.0


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize(("window_s", "overlap_s"), [(0.08, 0.04), (0.04, 0.02), (0.05, 0.01)])
@pytest.mark.parametrize("duration_s", [0.6, 2.7])
def test_values_are_those_of_the_published_steps(write, rate_hz, window_s, overlap_s, duration_s):
    samples = noise(int(rate_hz * duration_s))
    options = PreprocessOptions(
        **AUDEEP, window_s=window_s, overlap_s=overlap_s, clip_below_db=-60, fixed_length_s=1.7
    )
    expected = published_steps(
        samples[:, 0].astype(np.float64),
        rate_hz,
        window_s=window_s,
        overlap_s=overlap_s,
        n_bands=128,
        below_db=-60.0,
        length_s=1.7,
    )
    found = rows(write(samples, rate_hz), options, rate_hz)
    np.testing.assert_allclose(found[0], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 32000, 44100, 48000])
def test_a_fixed_length_gives_the_same_number_of_frames_at_every_rate(rate_hz):
    coarse = PreprocessOptions(fixed_length_s=5.0)
    fine = PreprocessOptions(fixed_length_s=5.0, window_s=0.04, overlap_s=0.02)
    assert coarse.frontend(rate_hz).n_frames(5 * rate_hz) == 124
    assert fine.frontend(rate_hz).n_frames(5 * rate_hz) == 249


def test_without_a_fixed_length_the_overlap_stays(write):
    fine = PreprocessOptions(window_s=0.04, overlap_s=0.02)
    assert fine.overlap_samples(11025) == 220
    assert (
        PreprocessOptions(**{**fine.model_dump(), "fixed_length_s": 5.0}).overlap_samples(11025)
        == 221
    )


@pytest.mark.parametrize("n_samples", [1, 6, 7, 10, 13])
def test_fixed_length_cuts_and_pads(n_samples):
    blocks = [
        np.arange(1, 5, dtype=np.float32)[:, None],
        np.arange(5, 8, dtype=np.float32)[:, None],
    ]
    whole = np.arange(1, 8)
    at_end = fixed_length(iter(blocks), n_samples, centred=False)[:, 0]
    assert at_end.tolist() == [*whole[:n_samples], *[0] * max(0, n_samples - 7)]
    centred = fixed_length(iter(blocks), n_samples, centred=True)[:, 0].tolist()
    if n_samples <= 7:
        start = (7 - n_samples) // 2
        assert centred == whole[start : start + n_samples].tolist()
    else:
        before = (n_samples - 7) // 2
        assert centred == [0] * before + whole.tolist() + [0] * (n_samples - 7 - before)


def test_chunks_are_cut_from_the_whole_spectrogram(write):
    path = write(noise(8000 * 2))
    options = {**AUDEEP, "clip_below_db": -60}
    db, kept = decibels_of(
        path, PreprocessOptions(**options), frontend=PreprocessOptions(**options).frontend(8000)
    )
    db = np.clip(db, *kept)
    chunked = rows(path, PreprocessOptions(**options, chunk_length_s=0.5))
    assert chunked.shape == (4, 12, 128)
    for number, chunk in enumerate(chunked):
        part = db[number * 12 : number * 12 + 12]
        expected = 2.0 * (part - part.min()) / (part.max() - part.min()) - 1.0
        np.testing.assert_allclose(chunk, expected, atol=1e-6)
    fewer = rows(path, PreprocessOptions(**options, chunk_length_s=0.5, chunk_count=3))
    assert np.array_equal(fewer, chunked[:3])
    own = rows(path, PreprocessOptions(**options, chunk_length_s=0.5, scope="segment"))
    assert own.min() == -1.0
    assert own.max() == 1.0
    assert not np.array_equal(own, chunked)
    fixed = PreprocessOptions(chunk_length_s=0.5)
    whole = rows(path, PreprocessOptions())
    assert np.array_equal(rows(path, fixed), whole[0, :48].reshape(4, 12, 128))


def test_a_file_with_too_few_chunks_is_refused(write):
    path = write(noise(8000))
    with pytest.raises(SourceError, match="2 whole chunks of 10 frames and 3 are needed"):
        rows(path, PreprocessOptions(chunk_length_s=0.4, chunk_count=3))


def test_a_silent_chunk_and_a_silent_file_are_minus_one(write):
    samples = noise(8000)
    samples[:4000] = 0.0
    chunks = rows(
        write(samples), PreprocessOptions(**AUDEEP, clip_below_db=-60, chunk_length_s=0.4)
    )
    assert (chunks[0] == -1.0).all()
    assert chunks[1].max() == 1.0
    for options in (
        PreprocessOptions(),
        PreprocessOptions(**AUDEEP),
        PreprocessOptions(**AUDEEP, fixed_length_s=0.5, scope="segment"),
        PreprocessOptions(n_bands=None),
    ):
        assert (rows(write(np.zeros(8000)), options) == -1.0).all()


def test_channels(write):
    left, right = noise(8000, seed=1), noise(8000, seed=2)
    stereo = np.concatenate((left, right), axis=1)

    def of(samples, channel):
        return rows(write(samples), PreprocessOptions(**AUDEEP, clip_below_db=-50, channel=channel))

    assert np.array_equal(of(stereo, "left"), of(left, "mean"))
    assert np.array_equal(of(stereo, "right"), of(right, "mean"))
    np.testing.assert_allclose(of(stereo, "mean"), of((left + right) / 2, "mean"), atol=1e-5)
    np.testing.assert_allclose(of(stereo, "difference"), of(left - right, "mean"), atol=1e-5)
    assert np.array_equal(of(left, "left"), of(left, "right"))
    assert (of(left, "difference") == -1.0).all()
    four = np.concatenate((stereo, stereo), axis=1)
    np.testing.assert_allclose(of(four, "mean"), of(stereo, "mean"), atol=1e-5)


def test_the_fixed_normaliser_is_absolute(write):
    path, quiet = write(noise(8000)), write(noise(8000) / 10, name="quiet.wav")
    options = PreprocessOptions(floor_db=-120, ceiling_db=-20)
    found, lower = rows(path, options), rows(quiet, options)
    inside = (found < 1.0) & (lower > -1.0)
    np.testing.assert_allclose((found - lower)[inside], 2.0 * 20.0 / 100.0, atol=1e-3)


def test_a_file_is_resampled_before_it_is_cut(write):
    path = write(noise(24000), 16000)
    options = PreprocessOptions(**AUDEEP, sample_rate_hz=8000, fixed_length_s=1.0)
    assert rows(path, options).shape == (1, 24, 128)
    with pytest.raises(SourceError, match="16000 Hz and not 8000 Hz; resample with --rate"):
        rows(path, PreprocessOptions())


def test_an_odd_sample_is_no_obstacle(write):
    samples = noise(8000)
    samples[100] = np.nan
    samples[200] = np.inf
    assert np.isfinite(rows(write(samples), PreprocessOptions(**AUDEEP))).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"overlap_s": 0.08}, "needs a longer window"),
        ({"centred": True}, "needs --fixed-length"),
        ({"chunk_count": 2}, "needs --chunk-length"),
        ({"clip_below_db": -30, "clip_above_db": -40}, "must lie below"),
        ({"clip_below_db": 3}, "would leave nothing"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        PreprocessOptions(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"window_s": 0.001, "overlap_s": 0.0}, "window_samples"),
        ({"floor_db": 0.0, "ceiling_db": -10.0}, "must lie below"),
        ({"fixed_length_s": 0.05}, "shorter than --window"),
        ({"chunk_length_s": 0.01}, "shorter than the step between frames"),
        ({"fixed_length_s": 1.0, "chunk_length_s": 0.5, "chunk_count": 3}, "holds 2 chunks"),
    ],
)
def test_options_that_make_no_frames_are_refused(given, message):
    with pytest.raises(ConfigurationError, match=message) as refused:
        PreprocessOptions(**given).frontend(8000)
    assert "\n" not in str(refused.value)
