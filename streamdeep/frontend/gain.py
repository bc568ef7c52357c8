"""How much louder samples are made before the front-end: by a fixed gain, or by one found from the first ten seconds.

A gain comes after the repair of damaged samples, so that *clipped* goes on to mean what the sound card clipped, and
before the resampler. Here too is the rule by which a gain is chosen for a model. Not here: the epoch that a change of
gain begins, which belongs to whoever pushes the samples.

The rule. A model's front-end is absolute, and its file says how loud its training segments were. What was trained
on is sound, and what a microphone hears between sounds is not; so of ten seconds the *loudest* stretch of a segment's
length is compared. It is brought into the middle half of the training's levels by the smallest gain that does: training
tolerates some decibels either way, and every decibel more amplifies noise. Less than 3 dB is not worth a change: two steps
nearer to the microphone do as much. At most 30 dB: what is farther off is a microphone that is turned down, and no gain
brings back what its converter did not see.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

GainDb = float | Literal["auto"]
"""A gain as it is asked for: decibels, or ``auto``."""

MOST_DB: Final = 60.0
"""What may be asked for, either way."""
LEAST_FOUND_DB: Final = 3.0
MOST_FOUND_DB: Final = 30.0
"""What ``auto`` finds at the least and at the most, either way."""
LISTEN_S: Final = 10.0
"""So much sound ``auto`` listens to."""
SILENCE_DBFS: Final = -90.0
"""Quieter than the noise of any microphone: it is muted, or not yet awake, and tells nothing of its gain."""
PIECES_PER_S: Final = 10
_FOR_EVER: Final = 1 << 60


def parse_gain(value: object) -> GainDb:
    """A gain from what a user wrote.

    Raises:
        ValueError: neither ``auto`` nor a number from -60 to 60.
    """
    try:
        number = None if value == "auto" or isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if value == "auto":
        return "auto"
    if number is None or not abs(number) <= MOST_DB:
        raise ValueError(f"a gain of {value} is none; -60 to 60 dB or auto will do")
    return number


def fitting_gain_db(level_dbfs: float, quantiles_dbfs: Sequence[float]) -> float:
    """The smallest gain, in whole decibels, with which sound of this level is as loud as half the training was.

    Args:
        level_dbfs: of the loudest stretch of a segment's length.
        quantiles_dbfs: 5, 25, 50, 75 and 95 % quantiles of the training segments' levels.

    Returns:
        0 if it lies between the two quartiles already, or nearly; at most 30 either way.
    """
    _, quarter, _, three_quarters, _ = quantiles_dbfs
    missing_db = max(0.0, quarter - level_dbfs) - max(0.0, level_dbfs - three_quarters)
    if abs(missing_db) < LEAST_FOUND_DB:
        return 0.0
    whole_db = math.copysign(math.ceil(abs(missing_db)), missing_db)
    return min(MOST_FOUND_DB, max(-MOST_FOUND_DB, whole_db))


class Loudness:
    """The level of a sound, in pieces of a tenth of a second; equal for any cut.

    Attributes:
        missing: samples until the piece at hand is full.
        energies: mean square of each full piece, over all channels; those of silence too.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._piece_samples = max(1, sample_rate_hz // PIECES_PER_S)
        self.missing = self._piece_samples
        self.energies: list[float] = []
        self._piece: list[NDArray[np.float32]] = []

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take finite samples, ``(samples, channels)``, no more than are missing."""
        assert len(samples) <= self.missing
        self._piece.append(samples.copy())
        self.missing -= len(samples)
        if self.missing == 0:
            # Squared and summed when the piece is whole: one order of additions, however it came.
            piece = np.concatenate(self._piece).astype(np.float64)
            self.energies.append(float(np.square(piece).mean()))
            self.missing, self._piece = self._piece_samples, []

    def sounding(self) -> list[float]:
        """The energies of pieces that are not silent."""
        floor = 10.0 ** (SILENCE_DBFS / 10.0)
        return [energy for energy in self.energies if energy > floor]


def loudest_dbfs(energies: Sequence[float], length_s: float) -> float:
    """Level of the loudest stretch.

    Args:
        energies: of pieces of a tenth of a second, at least one, none of them silent.
        length_s: of the stretch; all there is, if that is less.
    """
    n_pieces = min(len(energies), max(1, round(length_s * PIECES_PER_S)))
    stretches = np.lib.stride_tricks.sliding_window_view(np.array(energies), n_pieces)
    return 10.0 * math.log10(float(stretches.mean(axis=1).max()))


class Gain:
    """One stream's gain.

    Attributes:
        db: what holds now.
    """

    def __init__(
        self,
        gain_db: GainDb,
        sample_rate_hz: int,
        *,
        segment_s: float = 0.0,
        quantiles_dbfs: Sequence[float] = (),
    ) -> None:
        """Build a gain.

        Args:
            gain_db: fixed, or ``auto``: 0 dB, until ten seconds of sound were heard.
            sample_rate_hz: the source's.
            segment_s: a segment's length; for ``auto``.
            quantiles_dbfs: see :func:`fitting_gain_db`; for ``auto``.
        """
        self._asked = gain_db
        self._sample_rate_hz = sample_rate_hz
        self._segment_s = segment_s
        self._quantiles_dbfs = quantiles_dbfs
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        self._loudness = Loudness(self._sample_rate_hz) if self._asked == "auto" else None
        self._found_db: float | None = None
        self.db = 0.0 if self._asked == "auto" else self._asked
        self._factor = _factor(self.db)

    @property
    def room(self) -> int:
        """So many samples may be pushed before the gain may change."""
        return _FOR_EVER if self._loudness is None else self._loudness.missing

    def begin(self) -> bool:
        """Whether another gain holds from the next sample on; it does from now on."""
        if self._found_db is None:
            return False
        self.db, self._found_db = self._found_db, None
        self._factor = _factor(self.db)
        return True

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples with the gain: the same array at 0 dB.

        Args:
            samples: ``(samples, channels)`` float32, finite; no more than there is room for.
        """
        if self._loudness is not None:
            self._loudness.push(samples)
            self._look()
        return samples if self._factor is None else samples * self._factor

    def _look(self) -> None:
        assert self._loudness is not None
        sounding = self._loudness.sounding()
        if len(sounding) < LISTEN_S * PIECES_PER_S:
            return
        level_dbfs = loudest_dbfs(sounding, self._segment_s)
        self._loudness = None
        found_db = fitting_gain_db(level_dbfs, self._quantiles_dbfs)
        self._found_db = found_db if found_db != self.db else None


def _factor(gain_db: float) -> np.float32 | None:
    return np.float32(10.0 ** (gain_db / 20.0)) if gain_db else None
