"""Physics of the front-end: tones and clicks land where they must, and references agree."""

import kaldi_native_fbank
import librosa
import numpy as np
import pytest

from streamdeep.config import FixedLevel, FrontendConfig, SegmentLevel, View
from streamdeep.frontend.logmel import LogMel, log_mel
from streamdeep.frontend.mel import band_centres_hz, slaney_bank
from streamdeep.frontend.normalise import segments

RATE_HZ, WINDOW, HOP = 16000, 1280, 640


def config(**changes):
    view = {
        "window_samples": WINDOW,
        "n_bands": 64,
        "level": FixedLevel(floor_db=-120, ceiling_db=0),
    }
    top = {"sample_rate_hz": RATE_HZ, "hop_samples": HOP}
    for key, value in changes.items():
        (view if key in View.model_fields else top)[key] = value
    return FrontendConfig(views=(View(**view),), **top)


def decibels(frames):
    return (np.asarray(frames.values, dtype=np.float64) + 1) * 60 - 120


def tone(frequency_hz, seconds=1.0, amplitude=1.0):
    return (
        amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)
    ).astype(np.float32)


@pytest.mark.parametrize("band", [5, 20, 50, 62])
@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_a_tone_is_loudest_in_the_band_it_lies_in(band, scale):
    centre = band_centres_hz(config(scale=scale).views[0], RATE_HZ)[band]
    found = decibels(log_mel(tone(centre), config(scale=scale)))
    assert (found.argmax(axis=1) == band).all()


def test_a_full_scale_sine_is_0_db_in_its_bin_and_half_of_it_minus_6():
    linear = config(scale="linear", n_bands=None)
    for amplitude, level in ((1.0, 0.0), (0.5, -6.02), (0.001, -60.0)):
        found = decibels(log_mel(tone(1000.0, amplitude=amplitude), linear))
        np.testing.assert_allclose(found[:, 1000 * WINDOW // RATE_HZ], level, atol=0.01)


def test_a_click_is_in_the_frames_whose_windows_hold_it_and_in_no_other():
    samples = np.zeros(RATE_HZ, dtype=np.float32)
    samples[5000] = 1.0
    frames = log_mel(samples, config())
    heard = np.flatnonzero((frames.values > -1).any(axis=1))
    expected = [t for t in range(len(frames)) if t * HOP < 5000 < t * HOP + WINDOW]
    assert heard.tolist() == expected


def test_frames_of_views_with_different_windows_end_at_the_same_sample():
    views = tuple(View(window_samples=window, n_bands=30) for window in (1280, 400))
    both = FrontendConfig(sample_rate_hz=RATE_HZ, hop_samples=320, views=views)
    samples = np.zeros(8000, dtype=np.float32)
    samples[1270] = 1.0  # within the first window's last 400 samples
    frames = log_mel(samples, both)
    heard = (frames.values > -1).any(axis=1), (frames.values[:, 30:] > -1).any(axis=1)
    assert heard[0][0]
    assert heard[1][0]
    assert np.flatnonzero(heard[1]).tolist() == [0, 1]


def test_silence_is_minus_one_everywhere():
    assert (log_mel(np.zeros(8000, dtype=np.float32), config()).values == -1).all()


def test_a_segment_of_silence_or_of_rounding_noise_is_minus_one_everywhere():
    per_segment = config(level=SegmentLevel(clip_below_db=-60))
    for samples in (np.zeros(8000), np.full(8000, 1e-8)):
        power = log_mel(samples.astype(np.float32), per_segment).values
        assert (segments(power, np.array([0]), len(power), per_segment) == -1).all()


def test_a_constant_offset_is_removed_with_the_frame_mean():
    loud, quiet = tone(440) * 0.1, tone(440) * 0.1 + np.float32(0.5)
    removing = config(remove_frame_mean=True)
    np.testing.assert_allclose(
        decibels(log_mel(quiet, removing)), decibels(log_mel(loud, removing)), atol=0.5
    )


def test_pre_emphasis_is_the_difference_equation():
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)
    emphasised = samples - 0.95 * np.concatenate(([0.0], samples[:-1]))
    np.testing.assert_allclose(
        log_mel(samples.astype(np.float32), config(pre_emphasis=0.95)).values,
        log_mel(emphasised.astype(np.float32), config()).values,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("channel", "weights"),
    [("mean", (0.5, 0.5)), ("left", (1, 0)), ("right", (0, 1)), ("difference", (1, -1))],
)
def test_fusing_samples_and_fusing_spectra_agree(channel, weights):
    stereo = np.random.default_rng(1).uniform(-0.5, 0.5, (8000, 2)).astype(np.float32)
    fused = (stereo @ np.array(weights)).astype(np.float32)
    expected = log_mel(fused, config()).values
    for fusion in ("samples", "spectra"):
        np.testing.assert_allclose(
            log_mel(stereo, config(channel=channel, fusion=fusion)).values, expected, atol=1e-5
        )


def test_a_mono_source_is_left_right_and_mean_and_its_difference_is_silence():
    samples = tone(700)
    mean, left, right, difference = (
        log_mel(samples, config(channel=channel)).values
        for channel in ("mean", "left", "right", "difference")
    )
    np.testing.assert_array_equal(left, mean)
    np.testing.assert_array_equal(right, mean)
    assert (difference == -1).all()


def test_the_slaney_bank_is_librosas():
    expected = librosa.filters.mel(sr=RATE_HZ, n_fft=WINDOW, n_mels=64, dtype=np.float64)
    np.testing.assert_allclose(slaney_bank(64, WINDOW, RATE_HZ), expected, atol=1e-12)


def test_a_slaney_spectrogram_is_librosas():
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, RATE_HZ).astype(np.float32)
    found = decibels(log_mel(samples, config(scale="slaney")))
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=RATE_HZ,
        n_fft=WINDOW,
        hop_length=HOP,
        n_mels=64,
        center=False,
        window="hann",
    ).T * (4 / (WINDOW / 2) ** 2)
    np.testing.assert_allclose(found, np.clip(10 * np.log10(power), -120, 0), atol=1e-3)


def test_log_mel_values_move_as_kaldis_do():
    """Another bank and scale, the same sound: correlated, not equal."""
    random = np.random.default_rng(3)
    samples = (random.uniform(-0.5, 0.5, RATE_HZ) * np.linspace(0, 1, RATE_HZ)).astype(np.float32)
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE_HZ
    options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 80, 40
    options.frame_opts.dither, options.frame_opts.snip_edges = 0, True
    options.frame_opts.preemph_coeff, options.frame_opts.remove_dc_offset = 0, False
    options.mel_opts.num_bins = 64
    online = kaldi_native_fbank.OnlineFbank(options)
    online.accept_waveform(RATE_HZ, samples.tolist())
    online.input_finished()
    kaldi = np.array([online.get_frame(t) for t in range(online.num_frames_ready)])
    ours = log_mel(samples, config()).values
    assert kaldi.shape == ours.shape
    assert np.corrcoef(kaldi.mean(axis=1), ours.mean(axis=1))[0, 1] > 0.99


def test_the_number_of_frames_is_a_function_of_the_number_of_samples():
    for n_samples in (0, 1, WINDOW - 1, WINDOW, WINDOW + HOP - 1, WINDOW + HOP, 16000):
        assert len(log_mel(np.zeros(n_samples, dtype=np.float32), config())) == config().n_frames(
            n_samples
        )


def test_levels_are_of_the_newest_hop():
    samples = np.concatenate((np.zeros(WINDOW), np.full(HOP, 0.5))).astype(np.float32)
    frames = log_mel(samples, config())
    np.testing.assert_allclose(frames.energies, [0.0, 0.25])
    np.testing.assert_allclose(frames.peaks, [0.0, 0.5])


def test_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="expected samples of shape"):
        LogMel(config(), 1).push(np.zeros((10, 2), dtype=np.float32))
