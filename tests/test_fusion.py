"""A fused model gives, bit for bit, the embeddings of its parts side by side, live and in any cut."""

import numpy as np
import onnx
import pytest
from tiny import FRONTEND, SEGMENT, noise, tiny_content, tiny_model

from streamdeep import onnxfile
from streamdeep.config import FixedLevel, SegmentLevel, View
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, MismatchError
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block
from streamdeep_trainer.fusion import Part, fuse_models


def frontend(channel="mean", floor_db=-100.0, fusion="spectra"):
    view = View(
        channel=channel, window_samples=320, n_bands=20, level=FixedLevel(floor_db=floor_db)
    )
    return FRONTEND.model_copy(update={"views": (view,), "fusion": fusion})


def part(config, **options):
    content = tiny_content(frontend=config, **options)
    return Part("part", tiny_model(frontend=config, **options), onnx.ModelProto.FromString(content))


def fused(parts):
    content = fuse_models(parts, name="fused")
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "fused"), "fused")
    model.prove()
    return model


def embed(model, samples, cut=None):
    pipeline = Pipeline(model, 8000, samples.shape[1])
    found = []
    for at in range(0, len(samples), cut or len(samples)):
        found += pipeline.push(Block(samples[at : at + (cut or len(samples))], at))
    return np.stack([record.vector for record in found + pipeline.flush()])


@pytest.mark.parametrize("readout", ["pooled", "final"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_channel_views_fuse_bit_for_bit(readout, n_channels):
    parts = [
        part(frontend(channel), readout=readout, seed=seed)
        for seed, channel in enumerate(("mean", "left", "right", "difference"))
    ]
    samples = noise(20_000, n_channels)
    expected = np.concatenate([embed(found.model, samples) for found in parts], axis=1)
    model = fused(parts)
    assert model.incremental
    np.testing.assert_array_equal(embed(model, samples), expected)
    np.testing.assert_array_equal(embed(model, samples, cut=37), expected)


def test_thresholds_of_one_channel_fuse_without_spectra():
    parts = [
        part(frontend(floor_db=floor, fusion="samples"), seed=int(-floor))
        for floor in (-30.0, -45.0, -60.0, -75.0)
    ]
    samples = noise(9000)
    expected = np.concatenate([embed(found.model, samples) for found in parts], axis=1)
    np.testing.assert_array_equal(embed(fused(parts), samples), expected)


def of_segment(clip_below_db):
    level = SegmentLevel(clip_below_db=clip_below_db)
    view = View(window_samples=320, n_bands=20, level=level)
    return FRONTEND.model_copy(update={"views": (view,)})


@pytest.mark.parametrize("readout", ["pooled", "final"])
def test_levels_of_the_segment_fuse_bit_for_bit_and_wait_for_its_end(readout):
    parts = [
        part(of_segment(clip), readout=readout, seed=seed)
        for seed, clip in enumerate((-30.0, -45.0, -60.0, None))
    ]
    samples = noise(9000)
    expected = np.concatenate([embed(found.model, samples) for found in parts], axis=1)
    model = fused(parts)
    assert not model.incremental
    assert model.batchable
    np.testing.assert_array_equal(embed(model, samples), expected)
    np.testing.assert_array_equal(embed(model, samples, cut=37), expected)


def test_parts_that_differ_in_what_there_is_one_of_are_refused():
    with pytest.raises(MismatchError, match=r"frontend\.fusion"):
        fuse_models([part(frontend()), part(frontend(fusion="samples"))], name="fused")
    shorter = SEGMENT.model_copy(update={"length_frames": 12})
    with pytest.raises(MismatchError, match="segment"):
        fuse_models([part(frontend()), part(frontend(), segment=shorter)], name="fused")
    with pytest.raises(MismatchError, match=r"encoder\.readout"):
        fuse_models([part(frontend()), part(frontend(), readout="final")], name="fused")
    with pytest.raises(MismatchError, match=r"encoder\.incremental"):
        fuse_models([part(frontend(fusion="samples")), part(of_segment(-60.0))], name="fused")
    with pytest.raises(ConfigurationError, match="two models"):
        fuse_models([part(frontend())], name="fused")


def test_the_command_writes_a_file_that_verifies_and_refuses_in_one_line(
    tmp_path, monkeypatch, capsys
):
    import sys

    from streamdeep_trainer.cli import main

    paths = []
    for number, channel in enumerate(("left", "right")):
        paths.append(tmp_path / f"{channel}.onnx")
        paths[-1].write_bytes(tiny_content(frontend=frontend(channel), seed=number))
    out = tmp_path / "stereo.onnx"
    for arguments, code in ((paths, 0), (paths[:1], 78)):
        line = [
            "streamdeep-train",
            "fuse-models",
            *map(str, arguments),
            "--out",
            str(out),
            "--json",
        ]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as end:
            main()
        assert (end.value.code or 0) == code
    captured = capsys.readouterr()
    assert captured.err == "streamdeep-train: fusion takes two models or more\n"
    assert '"dim": 126' in captured.out
