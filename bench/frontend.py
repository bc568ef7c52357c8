"""Cost of a log-Mel frame, beside others that compute one, each on one thread in the same run.

    python bench/frontend.py [--json]

44.1 kHz, 80 ms windows, 40 ms hop, 128 bands. Frames are computed one at a time, with a pause between
them, as live sound demands it; the hot loop, which nobody's microphone runs, stands beside it. Peers differ in
what they compute around the FFT, so the bare FFT of the same length is the yardstick: every figure is a
ratio to it. The order is shuffled in every round, medians are taken over rounds.
"""

import argparse
import json
import os
import random
import statistics
import time

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import kaldi_native_fbank  # noqa: E402
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import scipy.fft  # noqa: E402
import torch  # noqa: E402

from streamdeep.config import FrontendConfig  # noqa: E402
from streamdeep.frontend.logmel import LogMel  # noqa: E402
from streamdeep.frontend.mel import htk_bank  # noqa: E402

RATE_HZ, WINDOW, HOP, BANDS = 44100, 3528, 1764, 128
ROUNDS, CALLS, PAUSE_S = 15, 20, 0.002


def contenders():
    """Name to a function that turns the newest hop of samples into one frame."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, WINDOW).astype(np.float32)
    hop = samples[:HOP, None].copy()
    window = np.hanning(WINDOW + 1)[:-1]
    bank = htk_bank(BANDS, WINDOW, RATE_HZ)
    torch_window = torch.hann_window(WINDOW, dtype=torch.float64)
    torch_bank = torch.from_numpy(bank)
    torch_samples = torch.from_numpy(samples.astype(np.float64))

    stage = LogMel(FrontendConfig())
    stage.push(samples[:, None])

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE_HZ
    options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 80, 40
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = BANDS
    online = kaldi_native_fbank.OnlineFbank(options)
    online.accept_waveform(RATE_HZ, samples.tolist())
    kaldi_hop = hop[:, 0].tolist()

    def scipy_frame():
        power = np.abs(scipy.fft.rfft(samples * window)) ** 2
        return 10 * np.log10(np.maximum(bank @ power, 1e-30))

    def torch_frame():
        spectrum = torch.stft(
            torch_samples, WINDOW, HOP, window=torch_window, center=False, return_complex=True
        )
        return 10 * torch.log10(torch.clamp(torch_bank @ spectrum.abs() ** 2, min=1e-30))

    def librosa_frame():
        power = librosa.feature.melspectrogram(
            y=samples, sr=RATE_HZ, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS, center=False
        )
        return librosa.power_to_db(power)

    doubles = samples.astype(np.float64)
    return {
        "bare FFT (scipy)": lambda: scipy.fft.rfft(doubles),
        "streamdeep": lambda: stage.push(hop),
        "scipy, dense bank": scipy_frame,
        "torch.stft, dense bank": torch_frame,
        "librosa": librosa_frame,
        "kaldi-native-fbank": lambda: online.accept_waveform(RATE_HZ, kaldi_hop),
    }


def measure(pause_s):
    """Median microseconds per frame and the quartiles over rounds, by contender."""
    ready = contenders()
    for run in ready.values():
        for _ in range(5):
            run()
    rounds = {name: [] for name in ready}
    for _ in range(ROUNDS):
        for name in random.sample(list(ready), len(ready)):
            took_ns = []
            for _ in range(CALLS):
                if pause_s:
                    time.sleep(pause_s)
                began_ns = time.perf_counter_ns()
                ready[name]()
                took_ns.append(time.perf_counter_ns() - began_ns)
            rounds[name].append(statistics.median(took_ns) / 1000)
    return {name: statistics.quantiles(values, n=4) for name, values in rounds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    results = {"paced": measure(PAUSE_S), "hot loop": measure(0.0)}
    if arguments.json:
        print(json.dumps(results))
        return
    for pace, figures in results.items():
        fft_us = figures["bare FFT (scipy)"][1]
        print(f"\n{pace:24s} {'us a frame':>12s} {'quartiles':>18s} {'x bare FFT':>11s}")
        for name, (low, median, high) in sorted(figures.items(), key=lambda item: item[1][1]):
            print(f"{name:24s} {median:12.1f} {low:8.1f} to {high:6.1f} {median / fft_us:11.2f}")


if __name__ == "__main__":
    main()
