"""Channels of files, raw samples and devices: those a user names, counted from 1, and no others."""

import io
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import FRONTEND, RATE_HZ, noise, tiny_content

from streamdeep.audio.file import open_audio
from streamdeep.audio.pcm import PcmSource
from streamdeep.audio.ring import single_ring
from streamdeep.audio.selection import Selection, parse_selection
from streamdeep.config import FixedLevel, View
from streamdeep.errors import ConfigurationError, SourceError

STEREO = FRONTEND.model_copy(
    update={
        "views": tuple(
            View(
                channel=channel,
                window_samples=320,
                n_bands=10,
                level=FixedLevel(floor_db=-100.0, ceiling_db=0.0),
            )
            for channel in ("mean", "left", "right", "difference")
        ),
        "fusion": "spectra",
    }
)


@pytest.fixture
def stereo_model_path(tmp_path):
    path = tmp_path / "stereo.onnx"
    path.write_bytes(tiny_content(frontend=STEREO))
    return path


def refused(outcome, code, *words):
    found, _, err = outcome
    assert found == code, err
    assert "Traceback" not in err
    (line,) = err.strip().splitlines()
    for word in words:
        assert word in line


@given(
    st.permutations(range(1, 9)).flatmap(
        lambda numbers: st.integers(1, 8).map(lambda n: tuple(numbers[:n]))
    ),
    st.lists(st.integers(0, 50), max_size=3),
)
def test_the_selected_channels_come_in_their_order_however_the_sound_is_cut(numbers, cuts):
    samples, selection = noise(100, 8), Selection(numbers)
    parts = np.split(samples, sorted(cuts))
    found = np.concatenate([selection.take(part) for part in parts])
    assert selection.count(8, "it") == found.shape[1] == len(numbers)
    for column, number in enumerate(numbers):
        assert (found[:, column] == samples[:, number - 1]).all()


def test_without_a_selection_everything_is_heard():
    samples = noise(10, 3)
    assert Selection().take(samples) is samples
    assert Selection().count(3, "it") == 3
    assert Selection().label("mic") == "mic"
    assert Selection((3, 4)).label("mic") == "mic.ch3-4"


def test_a_selection_that_cannot_be_is_one_clear_sentence():
    for text in ("", "a", "3;4", "3,", "-1", "1-4", "99999", "³"):
        with pytest.raises(ConfigurationError, match="write their numbers, as in --select 3,4"):
            parse_selection(text)
    assert parse_selection(" 3, 4") == (3, 4)
    with pytest.raises(ConfigurationError, match=r"channel 0 .* counted from 1"):
        Selection((0, 1))
    with pytest.raises(ConfigurationError, match="channel 2 is selected twice"):
        Selection((2, 1, 2))
    with pytest.raises(ConfigurationError, match="65 channels are selected; 64 at most"):
        Selection(tuple(range(1, 66)))
    with pytest.raises(
        SourceError, match=r"there is no channel 9 to select: a\.wav has 8 channels"
    ):
        Selection((1, 9)).count(8, "a.wav")


def embedded(command, path, model_path, out, *options):
    code, _, err = command("embed", path, "--out", out, "--model", model_path, *options)
    assert code == 0, err
    return np.load(out)["embedding"]


def test_a_selection_of_a_file_is_the_file_of_the_selection(
    command, tmp_path, write_sound, stereo_model_path
):
    samples = noise(20_001, 8)
    many, out = write_sound("many.wav", samples, subtype="FLOAT"), tmp_path / "out.npz"
    seen = set()
    for numbers in ((3, 4), (4, 3), (5,), (1, 2, 8)):
        few = write_sound(
            "few.wav", samples[:, [number - 1 for number in numbers]], subtype="FLOAT"
        )
        select = ",".join(map(str, numbers))
        found = embedded(command, many, stereo_model_path, out, "--select", select)
        assert (found == embedded(command, few, stereo_model_path, out)).all()
        seen.add(found.tobytes())
    assert len(seen) == 4


def test_more_channels_than_a_stream_may_have_can_be_selected_from(write_sound):
    samples = noise(50, 100)
    with open_audio(write_sound("many.wav", samples, subtype="FLOAT"), Selection((100, 7))) as file:
        (block,) = file.blocks()
    assert (block.samples == samples[:, [99, 6]]).all()


def test_raw_samples_are_selected_whatever_the_pipe_cuts():
    samples, (reader, writer) = noise(5000, 4), os.pipe()
    source = PcmSource(
        sample_format="f32le", sample_rate_hz=RATE_HZ, n_channels=4, block_samples=100,
        selection=Selection((4, 2)), descriptor=reader,
    )  # fmt: skip
    ring = single_ring(6000, source.n_channels, RATE_HZ)
    source.start(ring)
    raw = samples.tobytes()

    def speak():
        with io.FileIO(writer, "w") as pipe:
            for at in range(0, len(raw), 777):
                pipe.write(raw[at : at + 777])

    speaker = threading.Thread(target=speak)
    speaker.start()
    speaker.join()
    source._thread.join()
    os.close(reader)
    assert (source.name, source.n_channels) == ("stdin.ch4-2", 2)
    assert (ring.read(6000).samples == samples[:, [3, 1]]).all()


def test_wrong_selections_are_refused_in_one_line(
    command, tmp_path, write_sound, model_path, stereo_model_path
):
    two, out = write_sound("two.wav", noise(9000, 2)), tmp_path / "out.npz"
    run = ("run", two, "--model", model_path)
    refused(command(*run, "--select", "3"), 66, "no channel 3", "two.wav has 2 channels")
    refused(command(*run, "--select", "left"), 78, "--select 'left'", "3,4")
    refused(command(*run, "--select", "0"), 78, "counted from 1")
    embed = ("embed", two, "--model", stereo_model_path, "--out", out)
    refused(command(*embed, "--select", "1,3"), 66, "no channel 3", "two.wav has 2 channels")
    refused(command(*embed, "--select", "1,1"), 78, "channel 1 is selected twice")
    raw = ("run", "-", "--model", model_path, "--rate", 8000)
    refused(command(*raw, "--select", "2"), 78, "select needs channels")
    refused(
        command(*raw, "--channels", 2, "--select", "3"),
        66, "no channel 3", "standard input, as described, has 2 channels",
    )  # fmt: skip


def test_a_table_of_streams_selects_too(command, tmp_path, write_sound, model_path):
    many = write_sound("many.wav", noise(9000, 4))
    site = tmp_path / "site.toml"
    text = f'pace = "max"\nwait = false\nbind = "tcp://127.0.0.1:*"\nmodel = "{model_path}"\n'
    for select in ("[1, 2]", "[4]"):
        text += f'[[streams]]\nsource = "{many}"\nselect = {select}\n'
    site.write_text(text)
    code, out, err = command("run", "--config", site, "--json")
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    names = [line["stream"].split(".", 1)[1] for line in lines if line["event"] == "ledger"]
    assert names == ["many.ch1-2", "many.ch4"]
    assert all(line["captured"] == 9000 for line in lines if line["event"] == "ledger")
    site.write_text(text.replace("[4]", "[]"))
    refused(command("run", "--config", site), 78, "site.toml", "select")
    site.write_text(text.replace("[4]", "[0]"))
    refused(command("run", "--config", site), 78, "counted from 1")
    site.write_text(
        '[[streams]]\nsource = "-"\nrate = 8000\n[[streams]]\nsource = "-"\nrate = 8000\n'
    )
    refused(command("run", "--config", site), 78, "standard input", "one stream only")
