"""How fast a sound card really is: its samples against the computer's monotonic clock.

A block can be delivered late, never early. So of each second only the sample that came soonest counts, and a
straight line through these points has the card's rate as its slope, with little left of the delays. Numbers only;
a few multiplications a second, so an audio callback may feed it.
"""

import math

WINDOW_S = 1.0
LEAST_POINTS = 20
MEMORY_S = 600.0
"""Older points count for less: a crystal's rate follows its temperature."""


class ClockModel:
    """A running regression.

    Attributes:
        nominal_rate_hz: what the card says of itself.
    """

    def __init__(self, nominal_rate_hz: int) -> None:
        self.nominal_rate_hz = nominal_rate_hz
        self.restart()

    def restart(self) -> None:
        """Forget everything: the samples to come are not in line with those before."""
        self._origin: tuple[int, int] | None = None
        self._window_began_s = 0.0
        self._soonest = (math.inf, 0.0)  # lag, when
        self._n_points = 0
        self._weight = self._mean_s = self._mean_lag_s = 0.0
        self._var = self._cov = self._var_lag = 0.0

    def see(self, now_ns: int, n_samples: int) -> None:
        """So many samples had arrived by now, those known to be lost included.

        Args:
            now_ns: monotonic.
            n_samples: since any fixed moment.
        """
        if self._origin is None:
            self._origin = (now_ns, n_samples)
        now_s = (now_ns - self._origin[0]) / 1e9
        lag_s = now_s - (n_samples - self._origin[1]) / self.nominal_rate_hz
        self._soonest = min(self._soonest, (lag_s, now_s))
        if now_s - self._window_began_s >= WINDOW_S:
            self._add(self._soonest[1], self._soonest[0])
            self._window_began_s, self._soonest = now_s, (math.inf, 0.0)

    def _add(self, at_s: float, lag_s: float) -> None:
        kept = 1 - WINDOW_S / MEMORY_S
        self._n_points += 1
        self._weight = kept * self._weight + 1
        off_s, off_lag_s = at_s - self._mean_s, lag_s - self._mean_lag_s
        self._mean_s += off_s / self._weight
        self._mean_lag_s += off_lag_s / self._weight
        self._var = kept * self._var + off_s * (at_s - self._mean_s)
        self._cov = kept * self._cov + off_s * (lag_s - self._mean_lag_s)
        self._var_lag = kept * self._var_lag + off_lag_s * (lag_s - self._mean_lag_s)

    @property
    def deviation_ppm(self) -> float | None:
        """True rate against the nominal one, in millionths; positive is faster. None before 20 s."""
        if self._n_points < LEAST_POINTS:
            return None
        return -1e6 * self._cov / self._var

    @property
    def uncertainty_ppm(self) -> float | None:
        """Standard error of ``deviation_ppm``."""
        if self._n_points < LEAST_POINTS:
            return None
        rest = max(0.0, self._var_lag - self._cov**2 / self._var)
        return 1e6 * math.sqrt(rest / (self._weight - 2) / self._var)

    @property
    def rate_hz(self) -> float:
        """The true rate as far as it is known, else the nominal one."""
        return self.nominal_rate_hz * (1 + (self.deviation_ppm or 0.0) / 1e6)
