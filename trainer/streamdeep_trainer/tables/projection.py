"""Features to points in a plane: t-SNE, UMAP where it is installed, or the two main components.

Works for any number of rows and features, and gives the same points again on one machine.
Distances between far groups mean little in t-SNE and UMAP. Not here: drawing
(``streamdeep.pages.scatter``).
"""

import importlib
import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from streamdeep.errors import ConfigurationError, MissingDependencyError
from streamdeep_trainer.tables.command_options import Method

MAX_COMPONENTS = 50
"""What wide features are reduced to first; van der Maaten and Hinton (2008) use 30 to 50."""


def project(
    features: NDArray[np.float32],
    *,
    method: Method = "tsne",
    perplexity: float = 30.0,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Points whose neighbours are those of the features.

    Args:
        features: ``(rows, values)``; each column is standardised first.
        method: ``tsne``, ``umap`` or ``pca``.
        perplexity: how many neighbours t-SNE and UMAP look at; less for fewer rows than three times that.
        seed: of UMAP's draw; t-SNE begins with the main components, which nothing is drawn for.

    Returns:
        ``(rows, 2)``. Rows that are all equal are one point; three rows or fewer are placed by their main
        components, whatever the method.

    Raises:
        ConfigurationError: the perplexity is not above 0.
        MissingDependencyError: UMAP is not installed.
    """
    if not perplexity > 0.0:
        raise ConfigurationError(f"a perplexity of {perplexity:g} is none; use 5 to 50")
    n_rows = len(features)
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    if n_rows < 2 or not np.ptp(scaled, axis=0).any():
        return np.zeros((n_rows, 2))
    # Components beyond the rows or the features are none.
    n_components = min(MAX_COMPONENTS, n_rows, scaled.shape[1])
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that are tiny: rows may be alike
        components = PCA(n_components, svd_solver="full").fit_transform(scaled)
        if method == "pca" or n_rows <= 3:
            points = np.zeros((n_rows, 2))
            points[:, : min(2, n_components)] = components[:, :2]
            return points
        neighbours = min(perplexity, (n_rows - 1) / 3.0)
        if method == "umap":
            return _umap(components, neighbours, seed)
        # One column of features has but one main component; two are needed to begin with.
        start = "pca" if n_components >= 2 else "random"
        model = TSNE(perplexity=neighbours, init=start, random_state=seed, n_jobs=1)
        found: NDArray[np.float64] = model.fit_transform(components).astype(np.float64)
    return found


def _umap(components: NDArray[np.float64], neighbours: float, seed: int) -> NDArray[np.float64]:
    try:
        umap = importlib.import_module("umap")
    except ImportError as error:
        raise MissingDependencyError(
            "UMAP is not installed; `pip install umap-learn`, or use --method tsne"
        ) from error
    model = umap.UMAP(n_neighbors=max(2, round(neighbours)), random_state=seed, n_jobs=1)
    found: NDArray[np.float64] = np.asarray(model.fit_transform(components), dtype=np.float64)
    return found
