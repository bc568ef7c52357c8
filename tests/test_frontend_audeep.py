"""The front-end reproduces auDeep's spectrograms and filter banks, starting from samples."""

import json

import numpy as np
import pytest
from places import audeep_golden

from streamdeep.config import FrontendConfig, SegmentLevel, View
from streamdeep.frontend.logmel import log_mel
from streamdeep.frontend.mel import htk_bank
from streamdeep.frontend.normalise import relative_db, segments

CASES = [
    "mono_mel64_80_40_noclip",
    "mono_mel64_80_40_clip60",
    "mono_mel64_80_40_clip60_db",
    "mono_mel64_80_40_noclip_db",
    "mono_linear_40_20_clip45",
    "mono_mel128_80_40_clip60_fix1p0",
    "mono_mel128_80_40_clip60_fix1p0_center",
    "mono_mel128_80_40_clip60_fix2p0",
    "mono_mel128_80_40_clip60_fix2p0_center",
    "mono_mel128_80_40_noclip_fix2p0",
    "mono_mel64_chunks0p4x3",
    "stereo_mel64_MEAN_clip60",
    "stereo_mel64_DIFF_clip60",
    "stereo_mel64_LEFT_clip60",
    "stereo_mel64_RIGHT_clip60",
]
CHANNELS = {"MEAN": "mean", "DIFF": "difference", "LEFT": "left", "RIGHT": "right"}
RATE_HZ = 16000


def fixed_length(samples, case):
    if "fixed_length" not in case:
        return samples
    wanted = int(case["fixed_length"] * RATE_HZ)
    surplus = len(samples) - wanted
    centred = case.get("center_fixed", False)
    if surplus >= 0:
        start = surplus // 2 if centred else 0
        return samples[start : start + wanted]
    before = -surplus // 2 if centred else 0
    return np.pad(samples, ((before, -surplus - before), (0, 0)))


def configuration(case):
    window = int(RATE_HZ * case["window_width"])
    hop = window - int(RATE_HZ * case["window_overlap"])
    level = SegmentLevel(clip_below_db=case.get("clip_power_below"), scope="file")
    bands = case["mel_bands"]
    view = View(
        channel=CHANNELS[case["channel_fusion"]],
        window_samples=window,
        scale="htk" if bands else "linear",
        n_bands=bands,
        level=level,
    )
    return FrontendConfig(
        sample_rate_hz=RATE_HZ,
        hop_samples=hop,
        pre_emphasis=0.95,
        remove_frame_mean=True,
        views=(view,),
    )


@pytest.mark.parametrize("name", CASES)
def test_a_spectrogram_is_audeeps(name):
    golden = audeep_golden()
    case = json.loads(str(golden["meta_json"]))[name]
    expected = golden[f"spec_{name}"]
    stereo = golden["wav_stereo_16k"]
    config = configuration(case)
    samples = fixed_length(stereo if case["file"] == "stereo" else stereo[:, :1], case)
    power = log_mel(samples, config).values
    if case.get("mean_norm", True):
        chunks, length, _ = expected.shape
        found = segments(power, np.arange(chunks) * length, length, config)
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    else:
        found = relative_db(power, config.views[0].level)
        np.testing.assert_allclose(found, expected[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("rate_hz", "window", "bands"),
    [
        (44100, 3528, 128),
        (22050, 1764, 320),
        (44100, 7056, 320),
        (16000, 1280, 64),
        (16000, 1280, 128),
    ],
)
def test_a_filter_bank_is_audeeps(rate_hz, window, bands):
    golden = audeep_golden()
    bank = htk_bank(bands, window, rate_hz)
    np.testing.assert_allclose(
        bank.sum(axis=1), golden[f"melsum_{rate_hz}_{window}_{bands}"], atol=1e-12
    )
