"""Pictures of tables: any size works, the same seed gives the same points, HTML needs nothing else."""

import re
import sys
import types
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from streamdeep.errors import ConfigurationError, MissingDependencyError
from streamdeep.pages.colours import UNLABELLED, colours_of
from streamdeep.pages.scatter import draw
from streamdeep_trainer.tables.projection import project


def features_of(n_rows, n_values, seed=0):
    return np.random.default_rng(seed).standard_normal((n_rows, n_values)).astype(np.float32)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5, 12, 40])
@pytest.mark.parametrize("n_values", [1, 2, 60])
def test_small_tables_and_wide_features_work(n_rows, n_values):
    """auDeep reduces to 200 components, and crashes where there are fewer rows or features."""
    points = project(features_of(n_rows, n_values))
    assert points.shape == (n_rows, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_rows_that_are_all_equal_are_one_point(method):
    assert not project(np.ones((6, 4), dtype=np.float32), method=method).any()


def test_more_than_fifty_features_and_fewer_than_two_hundred_rows():
    assert project(features_of(60, 300)).shape == (60, 2)


def test_groups_stay_together_and_the_points_are_the_same_again():
    features = features_of(30, 10)
    features[15:] += 20.0
    points = [project(features) for _ in range(2)]
    assert np.array_equal(points[0], points[1])
    distances = np.linalg.norm(points[0][:, None] - points[0][None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert ((distances.argmin(axis=1) < 15) == (np.arange(30) < 15)).all()


def test_a_perplexity_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="perplexity of 0"):
        project(features_of(5, 2), perplexity=0.0)


def test_umap_is_used_where_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingDependencyError, match="pip install umap-learn"):
        project(features_of(9, 5), method="umap")
    asked = {}

    class Umap:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, components):
            return components[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    assert project(features_of(9, 5), method="umap", seed=7).shape == (9, 2)
    assert asked == {"n_neighbors": 3, "random_state": 7, "n_jobs": 1}


NAMES = ["a.wav, chunk 0", "<b> & 'c'.wav, chunk 0", "d.wav, chunk 1"]
LABELS = ["dog", "$x_1$ <cat>", None]


def test_html_names_every_point_and_loads_nothing(tmp_path):
    path = tmp_path / "deep" / "map.html"
    draw(
        path,
        np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]),
        names=NAMES,
        labels=LABELS,
        title="<t>",
    )
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(?:src|href)\s*=|@import|url\(|https?:|<link", page)
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    circles = svg.findall("circle")
    labels = [label or UNLABELLED for label in LABELS]
    assert [circle.find("title").text for circle in circles] == [
        f"{name} · {label}" for name, label in zip(NAMES, labels, strict=True)
    ]
    assert len({circle.get("fill") for circle in circles}) == 3
    assert all(0 <= float(circle.get(axis)) <= 700 for circle in circles for axis in ("cx", "cy"))
    assert float(circles[1].get("cy")) < float(circles[0].get("cy"))  # upwards is up
    assert "<h1>&lt;t&gt;</h1>" in page
    assert "$x_1$ &lt;cat&gt; (1)" in page


def test_png(tmp_path):
    path = tmp_path / "map.png"
    draw(path, features_of(3, 2), names=NAMES, labels=["_a", "$", None], title="$t")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_one_point_can_be_drawn(tmp_path):
    for name in ("map.png", "map.html"):
        draw(tmp_path / name, np.zeros((1, 2)), names=["a"], labels=[None], title="t")


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"neither \.png nor \.html"):
        draw(tmp_path / "map.jpg", np.zeros((1, 2)), names=["a"], labels=[None], title="t")


@pytest.mark.parametrize("n_classes", [1, 8, 9, 60])
def test_classes_have_different_colours(n_classes):
    labels = [f"{number:02d}" for number in range(n_classes)]
    found = colours_of(labels)
    assert list(found) == labels
    assert len(set(found.values())) == n_classes
