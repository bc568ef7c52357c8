"""Pages in a real browser: Chromium draws what was meant, light and dark, and asks nobody for anything."""

import io
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from tiny import RATE_HZ, noise, tiny_model

from streamdeep.heads.settings import DecisionSettings
from streamdeep.pages.document import document, write_page
from streamdeep.pages.png import data_address, png
from streamdeep.records import Block
from streamdeep.report.listening import Listening
from streamdeep.report.page import Origin, page

pytestmark = pytest.mark.system

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def shown(tmp_path):
    """``(height, width, 3)`` of a page in the browser."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt install chromium)")

    def show(text, *, dark=False, width=900, height=1400):
        write_page(tmp_path / "page.html", text)
        subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--hide-scrollbars",
             f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},{height}",
             f"--blink-settings=preferredColorScheme={0 if dark else 1}",
             f"--screenshot={tmp_path / 'shot.png'}", (tmp_path / "page.html").as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        with Image.open(io.BytesIO((tmp_path / "shot.png").read_bytes())) as picture:
            return np.asarray(picture.convert("RGB")).astype(int)

    return show


def test_the_browser_shows_every_colour_of_a_png(shown):
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 3] = 255
    palette[:3, :3] = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    picture = np.repeat(np.array([[0, 1, 2]], np.uint8), 2, axis=0)
    text = document(
        "t", (f'<img alt="" style="position:fixed;left:0;top:0;width:300px;height:200px;'
              f'image-rendering:pixelated" src="{data_address(png(picture, palette))}">',)
    )  # fmt: skip
    seen = shown(text, width=300, height=200)
    for column, colour in ((50, (255, 0, 0)), (150, (0, 255, 0)), (250, (0, 0, 255))):
        assert tuple(seen[100, column]) == colour


@pytest.mark.parametrize("dark", [False, True])
def test_a_gap_is_a_coloured_stretch_across_the_timeline(shown, dark):
    heard = Listening(tiny_model(), None, DecisionSettings(), sample_rate_hz=RATE_HZ, n_channels=1)
    heard.hear([Block(noise(20_000), 0), Block(noise(20_000), 60_000)])
    seen = shown(page(heard, Origin("a", "a.wav")), dark=dark)
    ground = seen[5, 5]
    assert (ground.max() < 60) == dark
    assert (ground.min() > 200) != dark
    # The gap is the middle half of the time: orange, from top to bottom of each row.
    orange = seen[:, 470, 0] > seen[:, 470, 2] + 30
    edges = np.flatnonzero(np.diff(np.concatenate(([0], orange, [0])).astype(int)))
    (top, bottom), *others = sorted(zip(edges[::2], edges[1::2], strict=True))
    assert bottom - top > 150
    assert len(others) == 2  # level and novelty
    middle = (top + bottom) // 2
    assert np.ptp(seen[middle, 330:660], axis=0).max() <= 3
    # To its left and right is sound: bright, and hardly two pixels alike.
    for columns in (slice(140, 280), slice(700, 850)):
        assert seen[middle, columns].std(axis=0).max() > 20
