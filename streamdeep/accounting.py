"""Where every source sample went.

``captured = embedded + skipped + dropped[reason] + in_flight`` at every instant. Embeddings end in order,
so one number, the *frontier*, is enough: everything before it is settled, everything from it to the
newest sample is in flight. Pure counting; who counts what is the pipeline's and the engine's affair.
"""

from collections import Counter

from streamdeep.records import Ledger


class Account:
    """The samples of one stream, by the source's sample index."""

    def __init__(self) -> None:
        self._captured = 0
        self._embedded = 0
        self._skipped = 0
        self._dropped: Counter[str] = Counter()
        self._gap_samples = 0
        self._frontier = 0
        self._position = 0
        self._embeddings = 0
        self._epochs = 0

    @property
    def in_flight(self) -> int:
        """Samples taken whose fate is open."""
        return self._position - self._frontier

    def begin_epoch(self, start_sample: int) -> None:
        """The next sample is ``start_sample``; nothing may be in flight."""
        assert self.in_flight == 0, "an epoch begins with the last one settled"
        self._frontier = self._position = start_sample
        self._epochs += 1

    def capture(self, n_samples: int) -> None:
        """So many samples arrived, contiguous with the last ones."""
        self._captured += n_samples
        self._position += n_samples

    def embed(self, start_sample: int, stop_sample: int) -> None:
        """An embedding of these samples was handed on; what it left behind unembedded was skipped."""
        stop_sample = min(stop_sample, self._position)
        self._skipped += max(0, start_sample - self._frontier)
        self._embedded += max(0, stop_sample - max(start_sample, self._frontier))
        self._frontier = max(self._frontier, stop_sample)
        self._embeddings += 1

    def drop_in_flight(self, reason: str) -> None:
        """All that is in flight will be in no embedding."""
        if self.in_flight:
            self._dropped[reason] += self.in_flight
        self._frontier = self._position

    def drop_unseen(self, n_samples: int, reason: str) -> None:
        """So many samples were captured and lost before they could be taken."""
        self._captured += n_samples
        if n_samples:
            self._dropped[reason] += n_samples

    def gap(self, n_samples: int) -> None:
        """So many samples were never captured."""
        self._gap_samples += n_samples

    def finish(self) -> None:
        """The stream ended: what is left is too short for a frame, or lies between segments."""
        self._skipped += self.in_flight
        self._frontier = self._position

    def ledger(self, *, nonfinite_samples: int = 0, clipped_samples: int = 0) -> Ledger:
        """The account as a record."""
        return Ledger(
            captured=self._captured,
            embedded=self._embedded,
            skipped=self._skipped,
            dropped=dict(self._dropped),
            in_flight=self.in_flight,
            gap_samples=self._gap_samples,
            nonfinite_samples=nonfinite_samples,
            clipped_samples=clipped_samples,
            embeddings=self._embeddings,
            epochs=self._epochs,
        )
