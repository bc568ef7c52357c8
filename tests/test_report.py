"""A recording's page: what was heard live, where every sample is, and every loss; in bounded memory, from nowhere else."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recording import record
from tiny import RATE_HZ, noise, tiny_content, tiny_model

from streamdeep.heads.settings import DecisionSettings
from streamdeep.heads.writing import write_linear_head
from streamdeep.pipeline import Pipeline
from streamdeep.recording.reader import Recording
from streamdeep.records import Block
from streamdeep.report import listening
from streamdeep.report.listening import Listening
from streamdeep.report.page import Origin, page
from streamdeep.report.strip import Strip
from streamdeep.report.thinned import Thinned

LABELS = ("loud <b>", "quiet")


@pytest.fixture
def head_path(tmp_path):
    """Two classes that the tiny model's embeddings of noise and of near silence tell apart."""
    loud, quiet = (
        next(iter(Pipeline(tiny_model(), RATE_HZ, 1).push(Block(factor * noise(8000), 0))))
        for factor in (1.0, 1e-3)
    )
    weight = np.stack((loud.vector - quiet.vector, quiet.vector - loud.vector)).astype(float)
    middle = (loud.vector + quiet.vector) / 2.0
    path = tmp_path / "head.onnx"
    write_linear_head(path, 9.0 * weight, -9.0 * weight @ middle, LABELS, tiny_model().digest)
    return path


@pytest.fixture
def gappy(tmp_path):
    """A recording of noise and near silence in turn, with a gap of 1,000 and 250 samples that a full ring refused."""
    sound = noise(40_000, 2)
    sound[(np.arange(len(sound)) // RATE_HZ) % 2 == 1] *= 1e-3

    def play(ring):
        def take(first, stop):
            for at in range(first, stop, 250):
                ring.write(sound[at : at + 250], 10**9 + at)
                while ring.read(1000) is not None:
                    pass

        take(0, 16_000)
        ring.write(sound[:0], 10**9, gap_samples=1000)
        take(16_000, 32_000)
        ring.write(sound[:500], 10**9)  # the ring is full ...
        ring.write(sound[:250], 10**9)  # ... and refuses these
        while ring.read(1000) is not None:
            pass
        take(32_000, 40_000)

    return record(tmp_path / "place", play).path


class Page(HTMLParser):
    """Tags that are opened and closed as they should be."""

    VOID = frozenset(("meta",))

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.addresses = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_has_the_gap_and_the_numbers_of_the_ledger(
    command, gappy, tmp_path, model_path, head_path
):
    out = tmp_path / "report.html"
    code, printed, err = command(
        "report", gappy, "--out", out, "--model", model_path, "--head", head_path, "--json"
    )
    assert code == 0, err
    told = json.loads(printed)
    pipeline = Pipeline(tiny_model(), RATE_HZ, 2)
    with Recording(gappy) as recording:
        embeddings = [one for block in recording.blocks() for one in pipeline.push(block)]
    embeddings += pipeline.flush()
    ledger = pipeline.ledger()
    for name in ("captured", "embedded", "skipped", "dropped", "in_flight", "gap_samples",
                 "embeddings", "epochs"):  # fmt: skip
        assert told[name] == getattr(ledger, name)
    assert told["gap_samples"] == 1000
    assert ledger.dropped["overflow"] >= 250
    assert told["losses"] == 2
    assert told["epochs"] == 3
    assert told["sounds"] == 3
    text = out.read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.open == []
    # A loss is a stretch in every row of the timeline, and a line of the table.
    assert text.count('class="lost"') == 2 * text.count('class="time"') == 2 * 5
    for cells in (
        f"<td>captured</td><td>{ledger.captured:,}</td>",
        f"<td>embedded</td><td>{ledger.embedded:,}</td>",
        f"<td>dropped: overflow</td><td>{ledger.dropped['overflow']:,}</td>",
        "<td>gaps</td><td>1,000</td><td>0.125 s</td>",
        "<td>0:02.0</td><td>1,000</td><td>0.125 s</td><td>1,000</td>",
        f"{ledger.embeddings:,} embeddings in 3 epochs; the account is whole.",
    ):
        assert cells in text
    assert parsed.tags.count("circle") == ledger.embeddings == len(embeddings)
    assert tiny_model().digest.hex() in text
    assert "loud &lt;b&gt;" in text
    assert "<b>" not in text


def test_a_page_loads_nothing_and_asks_for_dark(command, gappy, tmp_path, model_path):
    code, _, err = command("report", gappy, "--out", tmp_path / "r.html", "--model", model_path)
    assert code == 0, err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import|<script|<link|<iframe", text)
    assert all(address.startswith("data:image/png;base64,") for address in Page(text).addresses)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    # The embedded head belongs to another model: no labels, and no error that nobody can mend.
    assert "none that belongs to this model" in text


def test_the_embedded_model_shows_novelty_and_its_own_map(command, tmp_path, write_sound):
    sound = write_sound("street.wav", 0.3 * noise(44_100 * 7), 44_100, subtype="PCM_16")
    out = tmp_path / "street.html"
    code, printed, err = command("report", sound, "--out", out, "--json")
    assert code == 0, err
    text = out.read_text(encoding="utf-8")
    assert "novelty over time" in text
    assert "Dashed: 99 % of the training data lies below." in text
    assert "The axes are the model&#x27;s own" in text or "The axes are the model's own" in text
    assert json.loads(printed)["embeddings"] == text.count("<circle")
    assert "nothing was lost" in text


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 7000), min_size=1, max_size=5))
def test_a_page_is_the_same_however_the_sound_was_cut(cuts):
    samples, pages = noise(30_000), []
    for lengths in ((30_000,), cuts):
        heard = Listening(
            tiny_model(), None, DecisionSettings(), sample_rate_hz=11_025, n_channels=1
        )
        blocks, at, turn = [], 0, 0
        while at < len(samples):
            part = samples[at : at + lengths[turn % len(lengths)]]
            blocks.append(Block(part, at + (500 if at >= 12_000 else 0)))
            if at < 12_000 < at + len(part):  # the gap lies at the same place in every cut
                part = part[: 12_000 - at]
                blocks[-1] = Block(part, at)
            at, turn = at + len(part), turn + 1
        heard.hear(blocks)
        pages.append(page(heard, Origin("a", "a.wav")))
    assert pages[0] == pages[1]


def test_a_long_recording_costs_a_page_no_more_than_a_short_one(monkeypatch):
    monkeypatch.setattr(listening, "COLUMNS_MOST", 64)
    monkeypatch.setattr(listening, "POINTS_MOST", 16)
    sizes = []
    for n_samples in (40_000, 400_000):
        heard = Listening(
            tiny_model(), None, DecisionSettings(), sample_rate_hz=RATE_HZ, n_channels=1
        )
        heard.hear(Block(noise(4000, seed=at), at) for at in range(0, n_samples, 4000))
        assert heard.spectrum.n_columns <= 64
        assert len(heard.points.things) <= 16
        assert heard.ledger.embeddings == heard.points.n_seen
        sizes.append(len(page(heard, Origin("a", "a.wav"))))
    assert sizes[1] < 1.2 * sizes[0]


@given(
    rows=st.lists(st.tuples(st.integers(0, 500), st.floats(-9, 9)), max_size=60),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_a_strip_keeps_every_largest_value_and_every_row_whatever_the_cut(rows, cuts):
    rows.sort()
    samples = 7 + np.array([sample for sample, _ in rows], dtype=np.int64)
    values = np.array([[value] for _, value in rows]).reshape(-1, 1)
    strips = [Strip(1, first_sample=7, column_samples=3, most_columns=16) for _ in range(2)]
    strips[0].add(samples, values)
    at, turn = 0, 0
    while at < len(rows):
        stop = at + cuts[turn % len(cuts)]
        strips[1].add(samples[at:stop], values[at:stop])
        at, turn = stop, turn + 1
    for strip in strips:
        columns = (samples - 7) // strip.column_samples
        assert strip.n_columns <= 16
        assert strip.counts().sum() == len(rows)
        for column in np.unique(columns):
            assert strip.largest()[column, 0] == values[columns == column].max()
    np.testing.assert_array_equal(strips[0].largest(), strips[1].largest())
    np.testing.assert_array_equal(strips[0].means(), strips[1].means())
    assert strips[0].column_samples == strips[1].column_samples


@given(n=st.integers(0, 300), most=st.sampled_from((1, 2, 7, 16)))
def test_things_are_chosen_evenly_and_never_too_many(n, most):
    thinned = Thinned(most)
    for thing in range(n):
        thinned.add(thing)
    assert thinned.things == list(range(0, n, thinned.every))
    assert len(thinned.things) <= most
    assert thinned.n_seen == n


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["nowhere"], "nowhere", 66),
        (["."], "is no recording", 66),
        (["text.wav"], "text.wav", 66),
        (["short.wav"], "less sound than one frame", 66),
        (["sound.wav", "--out", "text.wav/r.html"], "cannot write", 78),
        (["sound.wav", "--out", "r.txt"], "must end in .html", 78),
        (["sound.wav", "--out", "folder.html"], "is a folder", 78),
        (["sound.wav", "--hop-s", "0.123"], "no whole number", 78),
        (["sound.wav", "--head", "other.onnx"], "trained for the encoder", 65),
        (["sound.wav", "--config", "bad.toml"], "unknown key", 78),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    command, monkeypatch, tmp_path, sound_path, model_path, arguments, said, code
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "bad.toml").write_text("[decision]\nfoo = 1\n")
    soundfile.write(tmp_path / "short.wav", noise(100), RATE_HZ)
    write_linear_head(tmp_path / "other.onnx", np.eye(63)[:2], np.zeros(2), ("a", "b"), bytes(32))
    (tmp_path / "tiny.onnx").write_bytes(tiny_content())
    found, out, err = command("report", *arguments, "--model", model_path)
    assert (found, out) == (code, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.glob("*.html")] == ["folder.html"]


def test_without_out_the_page_is_called_after_the_recording(
    command, monkeypatch, gappy, tmp_path, model_path
):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("report", gappy, "--model", model_path)
    assert code == 0, err
    assert (tmp_path / f"{gappy.name}.html").is_file()
    assert err.startswith(f"{gappy.name}.html: 5.2 s, ")


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_embed_draws_a_map_coloured_by_folder(command, tmp_path, write_sound, model_path, suffix):
    for folder in ("dogs", "rain <i>"):
        (tmp_path / "sounds" / folder).mkdir(parents=True)
        write_sound(f"sounds/{folder}/a.wav", noise(9000))
    out = tmp_path / f"map{suffix}"
    code, printed, err = command(
        "embed", tmp_path / "sounds", "--plot", out, "--model", model_path, "--json"
    )
    assert code == 0, err
    told = json.loads(printed)
    assert (told["out"], told["plot"]) == (None, str(out))
    if suffix == ".html":
        text = out.read_text(encoding="utf-8")
        assert Page(text).open == []
        assert text.count("<circle") == told["embeddings"] > 2
        assert "a.wav, 0:00.0 · dogs" in text
        assert "rain &lt;i&gt; (" in text
        assert "The model file has no projection" in text
    else:
        assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "say where to write"), (["--plot", "m.jpg"], "neither .png nor .html"), (["--plot", "no.html"], "cannot write")],
)  # fmt: skip
def test_embed_refuses_a_map_that_cannot_be_before_the_work(
    command, monkeypatch, tmp_path, sound_path, options, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no.html").mkdir()
    code, out, err = command("embed", sound_path, *options)
    assert (code, out) == (78, "")
    assert said in err
