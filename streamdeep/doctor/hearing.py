"""What is to be said of some seconds of sound, before a model hears them: level, clipping, silence, offset, hum.

Pure. Not here: where they come from (``listening``), and the rule for the gain (:mod:`streamdeep.frontend.gain`).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.doctor.finding import Finding
from streamdeep.encoder.contract import Contract
from streamdeep.frontend.damage import FULL_SCALE, sanitise
from streamdeep.frontend.gain import (
    MOST_FOUND_DB,
    PIECES_PER_S,
    SILENCE_DBFS,
    fitting_gain_db,
    loudest_dbfs,
)

OFFSET: Final = 0.01
"""-40 dBFS of nothing: a fault of the converter, that takes room and clicks at every gap."""
HUM_SHARE: Final = 0.25
HUM_DBFS: Final = -75.0
_HUM_SECONDS: Final = 0.8
"""Of the seconds must have it: mains never stops, music does."""


@dataclass(frozen=True, slots=True)
class Advice:
    """How to mend what is heard from one kind of source.

    Attributes:
        run: the command that runs it, without options.
        louder: how to turn it up where it is captured.
        quieter: and down.
        wake: what to look at when there is silence.
    """

    run: str
    louder: str
    quieter: str
    wake: str


class Hearing:
    """Some seconds of sound, kept: two megabytes a channel for ten seconds at 48 kHz."""

    def __init__(self, sample_rate_hz: int, n_channels: int) -> None:
        self._rate_hz = sample_rate_hz
        self._n_channels = n_channels
        self._blocks: list[NDArray[np.float32]] = []
        self._nonfinite = 0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take ``(samples, channels)`` float32, in any cut."""
        repaired, nonfinite, _ = sanitise(samples)
        self._nonfinite += len(nonfinite)
        self._blocks.append(repaired.copy())

    def findings(self, contract: Contract, advice: Advice) -> list[Finding]:
        """What there is to say, for a model."""
        samples = np.concatenate(
            self._blocks or [np.zeros((0, self._n_channels), np.float32)]
        ).astype(np.float64)
        if not len(samples):
            return [Finding("sound", "broken", "no sound came", advice.wake)]
        pieces = self._pieces(samples)
        channels_dbfs = [_dbfs(value) for value in np.square(samples).mean(axis=0)]
        if max(channels_dbfs) < SILENCE_DBFS or not len(pieces):
            return [
                Finding(
                    "sound",
                    "broken",
                    f"{len(samples) / self._rate_hz:.1f} s of silence: it is muted, or the wrong input",
                    advice.wake,
                )
            ]
        return [
            self._arrived(samples),
            *self._dead(channels_dbfs),
            self._clipping(samples, advice),
            self._offset(samples),
            self._hum(samples),
            self._level(pieces, contract, advice),
        ]

    def _pieces(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean squares of tenths of a second that are not silent."""
        length = self._rate_hz // PIECES_PER_S
        whole = samples[: len(samples) // length * length].reshape(-1, length * self._n_channels)
        energies: NDArray[np.float64] = np.square(whole).mean(axis=1)
        return energies[energies > 10 ** (SILENCE_DBFS / 10)]

    def _arrived(self, samples: NDArray[np.float64]) -> Finding:
        message = f"{len(samples) / self._rate_hz:.1f} s at {self._rate_hz} Hz, {self._n_channels} channels"
        if self._nonfinite:
            return Finding(
                "sound",
                "look here",
                f"{message}; {self._nonfinite} samples are no numbers",
                "mend the program that makes them; the engine takes them as zeros",
            )
        return Finding("sound", "ok", message)

    def _dead(self, channels_dbfs: list[float]) -> list[Finding]:
        dead = [number for number, dbfs in enumerate(channels_dbfs, 1) if dbfs < SILENCE_DBFS]
        if not dead:
            return []
        alive = [str(n) for n in range(1, self._n_channels + 1) if n not in dead]
        return [
            Finding(
                "channels",
                "look here",
                f"channel {', '.join(map(str, dead))} of {self._n_channels} is silent",
                f"leave it out: --channels {self._n_channels} --select {','.join(alive)}",
            )
        ]

    def _clipping(self, samples: NDArray[np.float64], advice: Advice) -> Finding:
        clipped = int(np.count_nonzero((np.abs(samples) >= FULL_SCALE).any(axis=1)))
        peak_dbfs = 20 * math.log10(max(float(np.abs(samples).max()), 1e-10))
        values = {"clipped_samples": clipped, "peak_dbfs": round(peak_dbfs, 1)}
        if clipped:
            message = f"{clipped} of {len(samples)} samples are clipped: no gain in the program undoes that"
            return Finding("clipping", "look here", message, advice.quieter, values)
        return Finding("clipping", "ok", f"none; peak {peak_dbfs:.0f} dBFS", values=values)

    def _offset(self, samples: NDArray[np.float64]) -> Finding:
        worst = float(np.abs(samples.mean(axis=0)).max())
        message = f"{_dbfs(worst**2):.0f} dBFS" if worst > 1e-6 else "none"
        if worst < OFFSET:
            return Finding("offset", "ok", message)
        fix = "use another input or cable; a high-pass filter in the sound server removes it"
        return Finding("offset", "look here", f"{message} of constant voltage in the sound", fix)

    def _hum(self, samples: NDArray[np.float64]) -> Finding:
        mono = samples.mean(axis=1)
        n_seconds = len(mono) // self._rate_hz
        if not n_seconds:
            return Finding("hum", "ok", "too short to tell")
        # A second each: bins are one hertz apart, and the window is three wide.
        seconds = mono[: n_seconds * self._rate_hz].reshape(n_seconds, -1)
        seconds = seconds - seconds.mean(axis=1, keepdims=True)
        power = np.square(np.abs(np.fft.rfft(seconds * np.hanning(self._rate_hz), axis=1)))
        total = np.maximum(power.sum(axis=1), 1e-30)
        level = np.square(seconds).mean(axis=1)
        for mains_hz in (50, 60):
            bins = [
                each
                for harmonic in range(1, 5)
                for each in range(harmonic * mains_hz - 1, harmonic * mains_hz + 2)
            ]
            shares = power[:, bins].sum(axis=1) / total
            heard = (shares > HUM_SHARE) & (shares * level > 10 ** (HUM_DBFS / 10))
            if heard.mean() >= _HUM_SECONDS:
                hum_dbfs = _dbfs(float(np.median(shares * level)))
                return Finding(
                    "hum",
                    "look here",
                    f"{mains_hz} Hz and its multiples at {hum_dbfs:.0f} dBFS, {np.median(shares):.0%} of all there is",
                    "use a balanced or shorter cable, another power supply, or a USB microphone",
                )
        return Finding("hum", "ok", "none to speak of")

    def _level(self, pieces: NDArray[np.float64], contract: Contract, advice: Advice) -> Finding:
        frontend = contract.frontend
        segment_s = frontend.span_samples(contract.segment.length_frames) / frontend.sample_rate_hz
        level_dbfs = loudest_dbfs(pieces.tolist(), segment_s)
        usual_dbfs = _dbfs(float(np.median(pieces)))
        message = f"{level_dbfs:.0f} dBFS at the loudest, {usual_dbfs:.0f} usually"
        values: dict[str, object] = {
            "level_dbfs": round(level_dbfs, 1),
            "usual_dbfs": round(usual_dbfs, 1),
        }
        if contract.level is None:
            return Finding(
                "level",
                "ok",
                f"{message}; the model does not say how loud its training was",
                values=values,
            )
        _, quarter, _, three_quarters, _ = contract.level.dbfs_quantiles
        gain_db = fitting_gain_db(level_dbfs, contract.level.dbfs_quantiles)
        values |= {
            "gain_db": gain_db,
            "quartiles_dbfs": [round(quarter, 1), round(three_quarters, 1)],
        }
        message += f"; half of the training lies between {quarter:.0f} and {three_quarters:.0f}"
        if not gain_db:
            return Finding("level", "ok", message, values=values)
        fix = f"{advice.run} --gain-db {gain_db:g}"
        if gain_db >= MOST_FOUND_DB:
            fix = f"{advice.louder}; and then, if it is still quiet: {fix}"
        how = "quieter" if gain_db > 0 else "louder"
        return Finding(
            "level", "look here", f"{message}: {how} than what the model knows", fix, values
        )


def _dbfs(energy: float) -> float:
    return 10.0 * math.log10(max(float(energy), 1e-20))
