"""A log-Mel frame, beside others that compute one; the bare FFT of the same length is the yardstick."""

import kaldi_native_fbank
import librosa
import numpy as np
import scipy.fft
import torch

from bench.measure import HOP_S, Rounds, time_calls
from bench.record import SEED, Part, Picture, Series, Table
from streamdeep.config import FrontendConfig
from streamdeep.frontend.logmel import LogMel, log_mel
from streamdeep.frontend.mel import htk_bank
from streamdeep.frontend.rows import FrameRows

RATE_HZ, WINDOW, HOP, BANDS = 44100, 3528, 1764, 128
N_RINGS, CLIP_S = 64, 10
FFT, OURS, ROWS, CLIP = (
    "bare FFT",
    "streamdeep",
    f"streamdeep, {N_RINGS} streams",
    "streamdeep, clip",
)
COLUMNS = ["", "us a frame", "quartiles", "x bare FFT"]


def live_contenders():
    """One call, one frame: name to a function that turns the newest hop of samples into it.

    The peers are given a window that is ready, so they are spared the buffer that live sound needs.
    """
    samples = np.random.default_rng(SEED).uniform(-0.5, 0.5, WINDOW).astype(np.float32)
    hop, doubles = samples[:HOP, None].copy(), samples.astype(np.float64)
    window, bank = np.hanning(WINDOW + 1)[:-1], htk_bank(BANDS, WINDOW, RATE_HZ)
    stage = LogMel(FrontendConfig())
    stage.push(samples[:, None])

    def scipy_frame():
        power = np.abs(scipy.fft.rfft(doubles * window)) ** 2
        return 10 * np.log10(np.maximum(bank @ power, 1e-30))

    return {
        FFT: lambda: scipy.fft.rfft(doubles),
        OURS: lambda: stage.push(hop),
        "scipy": scipy_frame,
        "torch.stft": torch_mel(samples, bank),
        "librosa": librosa_mel(samples),
        "kaldi-native-fbank": kaldi_mel(samples, hop[:, 0]),
        ROWS: rows_of_rings(),
    }


def clip_contenders():
    """One call, a whole clip: what no live sound can have, and where batch libraries are at their best."""
    random = np.random.default_rng(SEED)
    n_frames = CLIP_S * RATE_HZ // HOP - 1
    samples = random.uniform(-0.5, 0.5, (n_frames - 1) * HOP + WINDOW).astype(np.float32)
    doubles = samples.astype(np.float64)
    window, bank = np.hanning(WINDOW + 1)[:-1], htk_bank(BANDS, WINDOW, RATE_HZ)
    frames = np.lib.stride_tricks.sliding_window_view(doubles, WINDOW)[::HOP]
    config = FrontendConfig()

    def scipy_clip():
        power = np.abs(scipy.fft.rfft(frames * window, axis=1)) ** 2
        return 10 * np.log10(np.maximum(power @ bank.T, 1e-30))

    contenders = {
        CLIP: lambda: log_mel(samples, config),
        "scipy, clip": scipy_clip,
        "torch.stft, clip": torch_mel(samples, bank),
        "librosa, clip": librosa_mel(samples),
    }
    return contenders, dict.fromkeys(contenders, n_frames)


def torch_mel(samples, bank):
    torch.set_num_threads(1)
    window = torch.hann_window(WINDOW, dtype=torch.float64)
    sound, bands = torch.from_numpy(samples.astype(np.float64)), torch.from_numpy(bank)

    def call():
        spectrum = torch.stft(sound, WINDOW, HOP, window=window, center=False, return_complex=True)
        return 10 * torch.log10(torch.clamp(bands @ spectrum.abs() ** 2, min=1e-30))

    return call


def librosa_mel(samples):
    def call():
        power = librosa.feature.melspectrogram(
            y=samples, sr=RATE_HZ, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS, center=False
        )
        return librosa.power_to_db(power)

    return call


def kaldi_mel(samples, hop):
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE_HZ
    options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 80, 40
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = BANDS
    online = kaldi_native_fbank.OnlineFbank(options)
    online.accept_waveform(RATE_HZ, samples.tolist())
    block = hop.tolist()  # it takes lists; making them is not counted
    return lambda: online.accept_waveform(RATE_HZ, block)


def rows_of_rings():
    """A frame of each of many streams in one call, straight from their rings, as the engine does it."""
    capacity = RATE_HZ
    sound = np.random.default_rng(SEED).uniform(-0.5, 0.5, (N_RINGS, capacity, 1))
    rings, slots = sound.astype(np.float32), np.arange(N_RINGS)
    starts = np.random.default_rng(SEED).integers(1, 1 << 30, N_RINGS)
    fresh, frames = np.zeros(N_RINGS, np.bool_), FrameRows(FrontendConfig(), 1)

    def call():
        frames.levels(rings, slots, starts, fresh, 1)
        return frames.values(rings, slots, starts, fresh, 1)

    return call


def run(quick: bool) -> dict:
    live, shares = live_contenders(), {ROWS: N_RINGS}
    clip, clip_shares = clip_contenders()
    n_rounds, n_calls = (5, 3) if quick else (15, 5)
    paced = time_calls(
        live, n_rounds=n_rounds, n_calls=n_calls, pause_s=0.005 if quick else HOP_S, shares=shares
    )
    hot = time_calls(
        live | clip,
        n_rounds=n_rounds,
        n_calls=5 if quick else 20,
        shares=shares | clip_shares,
    )
    return part(paced, hot).as_dict()


def part(paced: Rounds, hot: Rounds) -> Part:
    values = {
        "librosa_clip": hot.ratio("librosa, clip", OURS).median,
        "scipy": hot.ratio("scipy", OURS).median,
        "kaldi": hot.ratio("kaldi-native-fbank", OURS).median,
        "over_fft": hot.ratio(OURS, FFT).median,
        "rows_over_fft": hot.ratio(ROWS, FFT).median,
        "paced_over_fft": paced.ratio(OURS, FFT).median,
        "paced_librosa": paced.ratio("librosa", OURS).median,
    }
    tables = [
        Table(
            "Paced as live sound is: one call, one frame, asleep between",
            "What a live frame costs, when caches have cooled since the last one; the bare FFT pays for that as well.",
            COLUMNS,
            paced.rows(FFT),
        ),
        Table(
            "Hot loop, and whole clips in one call",
            "What is left when nothing but arithmetic counts; `clip` rows are given 10 s of sound at once, which is no stream "
            "any more, and divided by its frames.",
            COLUMNS,
            hot.rows(FFT),
        ),
    ]
    shown = [FFT, ROWS, OURS, "scipy", "torch.stft", "librosa", "kaldi-native-fbank"]
    picture = Picture(
        "frontend",
        "A log-Mel frame, paced",
        "The shorter the better; the yardstick is the bare FFT, which each of them contains in a version of its own; many streams "
        "in one call pay for a cold start once.",
        "bar",
        "",
        "us a frame",
        [
            Series(name, [], [paced[name].median], [paced[name].low], [paced[name].high])
            for name in shown
        ],
        logarithmic="x",
    )
    return Part(
        "Front-end, per frame",
        f"44.1 kHz, windows of 80 ms every 40 ms, {BANDS} bands. Peers get a window that is ready and are spared the buffering "
        "that streamdeep's figure includes. Peers differ in details around the FFT (scale, precision, bands), so the bare FFT of "
        "the same length in double precision stands beside them.",
        values,
        tables,
        [picture],
        raw={"paced_us": paced.figures, "hot_us": hot.figures},
    )
