"""Sparse coding: every frame as a sum of a few atoms of a learnt dictionary; their magnitudes, pooled over a segment.

In the spirit of Henaff, Jarrett, Kavukcuoglu and LeCun, "Unsupervised learning of sparse features for scalable audio
classification", ISMIR 2011. There a network learns to guess the sparse code of a frame of a constant-Q log-spectrum, and a
linear machine judges sums over 5 s. Here the dictionary is learnt online (Mairal et al., ICML 2009) on frames of log-Mel
bands, the code is not guessed but found by orthogonal matching pursuit, and pooled as the encoders' outputs are: mean,
standard deviation and maximum. scikit-learn's, both. The untrained twin has an atom for each in a drawn direction.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.baselines.pooled_logmel import pool
from streamdeep_trainer.baselines.settings import SparseCodingSettings

_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """What frames are made of.

    Attributes:
        mean: ``(features,)`` of the frames that were heard.
        deviation: ``(features,)``.
        atoms: ``(atoms, features)`` of length 1, in units of the deviation.
        nonzero: atoms per frame, at most.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    atoms: NDArray[np.float64]
    nonzero: int

    @property
    def macs_per_frame(self) -> float:
        """Multiplications with additions: every atom with the frame, then with those that are taken, one by one."""
        n_atoms, n_features = self.atoms.shape
        return float(n_atoms * (n_features + self.nonzero * (self.nonzero + 1) / 2))

    def codes(self, frames: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(time, features)`` to ``(time, atoms)``, all but a few of them 0."""
        from sklearn.decomposition import sparse_encode

        standard = (frames - self.mean) / self.deviation
        with _quietly():
            found: NDArray[np.float64] = sparse_encode(
                standard, self.atoms, algorithm="omp", n_nonzero_coefs=self.nonzero
            )
        return found

    def vector(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(time, features)`` of one segment to ``(3 * atoms,)``."""
        return pool(np.abs(self.codes(frames)))


def learn(
    segments: Sequence[NDArray[np.float32]], settings: SparseCodingSettings, *, seed: int
) -> Dictionary:
    """A dictionary for segments that may be heard.

    Args:
        segments: ``(time, features)`` each.
        settings: sizes.
        seed: of the frames that are drawn, the first atoms and the batches.
    """
    from sklearn.decomposition import MiniBatchDictionaryLearning

    begun = begin(segments, settings, seed=seed)
    frames = np.concatenate(segments)
    random = np.random.default_rng(seed)
    drawn = random.permutation(len(frames))[: settings.frames]
    learner = MiniBatchDictionaryLearning(
        n_components=settings.atoms,
        alpha=settings.sparsity,
        batch_size=_BATCH,
        max_iter=settings.passes,
        fit_algorithm="cd",
        dict_init=begun.atoms,
        random_state=int(random.integers(1 << 31)),
        tol=0.0,  # all passes, whatever they bring
        max_no_improvement=None,
    )
    with _quietly():
        learner.fit((frames[drawn] - begun.mean) / begun.deviation)
    return Dictionary(begun.mean, begun.deviation, _unit(learner.components_), begun.nonzero)


def begin(
    segments: Sequence[NDArray[np.float32]], settings: SparseCodingSettings, *, seed: int
) -> Dictionary:
    """What learning begins with: drawn atoms; mean and deviation are those of the segments."""
    frames = np.concatenate(segments).astype(np.float64)
    atoms = np.random.default_rng([seed, 1]).standard_normal((settings.atoms, frames.shape[1]))
    nonzero = min(settings.nonzero, *atoms.shape)
    deviation = np.maximum(frames.std(axis=0), 1e-6)
    return Dictionary(frames.mean(axis=0), deviation, _unit(atoms), nonzero)


@contextmanager
def _quietly() -> Iterator[None]:
    """On one thread, as other small matrices (``evaluation.classify``); and codes need not be exact to be good.

    While a dictionary is learnt codes stop short of their optimum, and the pursuit ends early where a few atoms say a
    frame already, such as silence.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings(
            "ignore", "\\s*Orthogonal matching pursuit ended prematurely", RuntimeWarning
        )
        yield


def _unit(atoms: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
    return np.asarray(atoms / np.maximum(lengths, 1e-12))
