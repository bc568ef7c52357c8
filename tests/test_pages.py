"""What pages are drawn with: pictures that other programs read, time that lies where it should, maps that stay put."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from streamdeep.errors import ConfigurationError
from streamdeep.pages.colours import alpha_palette, heat_palette
from streamdeep.pages.document import table, write_page
from streamdeep.pages.plane import BY_DATA, BY_MODEL, plane
from streamdeep.pages.png import png
from streamdeep.pages.scatter import DRAWN_MOST, draw
from streamdeep.pages.timeline import LEFT, RIGHT, WIDTH, TimeAxis, bars, clock, lines
from streamdeep.writable import refuse_unwritable


@given(height=st.integers(1, 40), width=st.integers(1, 300), seed=st.integers(0, 9))
def test_another_program_reads_every_pixel_of_a_png(height, width, seed):
    indices = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    for palette in (heat_palette(), alpha_palette("#2f7fe0")):
        with Image.open(io.BytesIO(png(indices, palette))) as picture:
            picture.load()
            pixels = np.asarray(picture.convert("RGBA"))
        np.testing.assert_array_equal(pixels, palette[indices])


def test_a_palette_goes_from_dark_to_bright_and_its_first_colour_is_nothing():
    palette = heat_palette().astype(float)
    lightness = palette[1:, :3] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > -0.5).all()
    assert palette[0, 3] == 0
    assert (palette[1:, 3] == 255).all()


@pytest.mark.parametrize(
    ("time_s", "step_s", "words"),
    [(0, 1, "0:00"), (59.96, 0.1, "1:00.0"), (75, 1, "1:15"), (3600, 1, "1:00:00"), (90061, 60, "25:01:01")],
)  # fmt: skip
def test_times_are_read_as_on_a_clock(time_s, step_s, words):
    assert clock(time_s, step_s) == words


@given(
    start=st.integers(0, 2**60), length=st.integers(1, 2**45), rate_hz=st.sampled_from((1000, 44100, 768_000))
)  # fmt: skip
def test_an_axis_has_a_few_round_times_at_any_length(start, length, rate_hz):
    axis = TimeAxis(start, start + length, rate_hz)
    places = [x for x, _ in axis.ticks()]
    assert 1 <= len(places) <= 10
    assert places == sorted(places)
    assert places[0] == LEFT
    assert places[-1] <= WIDTH - RIGHT + 1e-6


def test_bars_that_would_share_a_line_are_one_and_none_is_invisible():
    axis = TimeAxis(0, 1_000_000, 1000)
    drawn = bars(
        axis, [("a", "#000000", [(n * 10, n * 10 + 5, f"bar {n}") for n in range(50)])], label="l"
    )
    assert drawn.count("<rect") == 1
    assert "50 in one line" in drawn
    (width,) = re.findall(r'<rect [^>]*width="([0-9.]+)"', drawn)
    assert 1.0 <= float(width) < 2.0


def test_a_line_is_broken_where_there_is_nothing():
    values = np.array([1.0, 2.0, np.nan, 1.0, np.nan, 3.0, 2.0])
    drawn = lines(
        TimeAxis(0, 7, 1), (("c0", values),), start_sample=0, column_samples=1, low=0.0, high=4.0,
        label="l", unit="", limit=3.0,
    )  # fmt: skip
    assert drawn.count("<polyline") == 3
    assert drawn.count('class="limit"') == 1


def test_a_map_by_data_is_the_same_again_and_keeps_distances_along_the_main_axes():
    random = np.random.default_rng(0)
    vectors = np.zeros((50, 7), np.float32)
    vectors[:, 2], vectors[:, 5] = 9.0 * random.standard_normal(50), random.standard_normal(50)
    points, axes = plane(vectors, None)
    assert axes == BY_DATA
    np.testing.assert_array_equal(points, plane(vectors.copy(), None)[0])
    wanted = np.linalg.norm(vectors[:1] - vectors, axis=1)
    np.testing.assert_allclose(np.linalg.norm(points[:1] - points, axis=1), wanted, atol=1e-5)


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_a_map_of_few_embeddings_is_one(n_rows):
    points, _ = plane(np.ones((n_rows, 5), np.float32), None)
    assert points.shape == (n_rows, 2)
    assert np.isfinite(points).all()


def test_a_map_by_the_model_puts_each_embedding_where_it_is_alone():
    random = np.random.default_rng(1)
    vectors, projection = random.standard_normal((2, 9, 4)).astype(np.float32)
    points, axes = plane(vectors, projection[:2])
    assert axes == BY_MODEL
    np.testing.assert_allclose(plane(vectors[3:4], projection[:2])[0], points[3:4], atol=1e-12)


def test_a_map_of_very_many_embeddings_draws_some_and_says_so(tmp_path):
    n = DRAWN_MOST + 1
    draw(
        tmp_path / "map.html", np.zeros((n, 2)), names=["n"] * n, labels=["a"] * n, title="t"
    )  # fmt: skip
    text = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert text.count("<circle") == n // 2 + 1
    assert "Of 20,001 points, one in 2 is drawn." in text


def test_what_stands_in_a_table_is_text():
    assert "<td>&lt;b&gt;</td>" in table(("a",), [("<b>",)])


def test_a_page_that_cannot_be_written_is_one_line_before_and_after_the_work(tmp_path):
    for path in (tmp_path, Path(__file__) / "p.html"):
        with pytest.raises(ConfigurationError, match=r"cannot write .*; choose another --out"):
            refuse_unwritable(path, "--out")
        with pytest.raises(ConfigurationError, match="cannot write"):
            write_page(path, "text")
    refuse_unwritable(tmp_path / "new" / "p.html", "--out")
    assert list(tmp_path.iterdir()) == []
    write_page(tmp_path / "new" / "p.html", "text")
    assert [path.name for path in tmp_path.rglob("*.*")] == ["p.html"]
