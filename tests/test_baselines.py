"""Systems of others: what their papers say of sizes and formulas, and that they learn from what they may, alone."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from places import ROOT
from trainer_data import RECIPE, random_spectrograms, tone_spectrograms, write_tones

from streamdeep.config import load_toml
from streamdeep.encoder.model import default_model_path
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.baselines import dcgan, frame_mlp, segment_cnn, sparse_coding
from streamdeep_trainer.baselines.learning import n_parameters, seeded
from streamdeep_trainer.baselines.settings import (
    DcganSettings,
    FrameMlpSettings,
    SegmentCnnSettings,
    SparseCodingSettings,
)
from streamdeep_trainer.comparing.compare import Plan, compare
from streamdeep_trainer.comparing.deciding import FramesSystem
from streamdeep_trainer.comparing.fused import FusedSystem
from streamdeep_trainer.comparing.given import ModelFileSystem
from streamdeep_trainer.comparing.kinds import kind_of
from streamdeep_trainer.comparing.learnt import DcganSystem, SparseCodingSystem
from streamdeep_trainer.comparing.material import decibels_of, material_of
from streamdeep_trainer.comparing.pooled import PooledLogmelSystem
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import DecidingSystem, FeatureSystem
from streamdeep_trainer.config import Recipe

MLP = FrameMlpSettings(epochs=4, units=(8,), batch_size=32)
CNN = SegmentCnnSettings(
    segment_frames=20,
    hop_frames=10,
    filters=4,
    units=12,
    dropout=0.2,
    epochs=30,
    batch_size=8,
    learning_rate=0.02,
)
SPARSE = SparseCodingSettings(atoms=24, nonzero=3, frames=300)
GAN = DcganSettings(side=16, channels=2, noise=5, epochs=2, batch_size=8)


class Known:
    """Spectrograms that lie in memory, in the place of those that are kept in files."""

    def __init__(self, made):
        self.made = made

    def of(self, recipe):
        return self.made


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Ten clips of two pitches, alternately in fold 1 and 2."""
    folder = write_tones(tmp_path_factory.mktemp("tones") / "data")
    made = tone_spectrograms(folder)
    clips = [replace(clip, fold=row % 2 + 1) for row, clip in enumerate(made.clips)]
    return replace(made, clips=tuple(clips))


def features_of(kind, settings, made=None, seed=0, heard=None, untrained=False):
    made = made or random_spectrograms()
    system = kind("s", RECIPE, Known(made), settings)
    heard = np.ones(len(made.clips), bool) if heard is None else heard
    make = system.untrained if untrained else system.features
    return make(made.clips, heard, seed=seed, run=Path())


# --- what the papers say ---------------------------------------------------------------------------------------


def test_an_input_of_the_dcase_baseline_is_a_frame_among_its_neighbours():
    frames = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = frame_mlp.with_neighbours(frames, 5).reshape(6, 5, 2)
    assert np.array_equal(found[2], frames[0:5])
    assert np.array_equal(found[0], frames[[0, 0, 0, 1, 2]])
    assert np.array_equal(found[5], frames[[3, 4, 5, 5, 5]])
    assert frame_mlp.with_neighbours(frames[:1], 5).shape == (1, 10)


def test_the_dcase_baseline_has_200_inputs_and_two_layers_of_50():
    random = np.random.default_rng(0)
    clips = [random.standard_normal((30, 40)).astype(np.float32) for _ in range(10)]
    learnt = frame_mlp.learn(FrameMlpSettings(epochs=1), clips, np.arange(10), 0)
    weights = [one.shape for one in learnt.network.parameters() if one.ndim == 2]
    assert weights == [(50, 200), (50, 50), (10, 50)]
    assert learnt.macs_per_frame == 200 * 50 + 50 * 50 + 50 * 10


def test_piczaks_network_has_the_papers_sizes():
    network = segment_cnn.build(60, 50, SegmentCnnSettings())
    kernels = [tuple(one.shape) for one in network.parameters() if one.ndim == 4]
    assert kernels == [(80, 2, 57, 6), (80, 80, 1, 3)]
    assert n_parameters(network) == 54_800 + 19_280 + 1_205_000 + 25_005_000 + 250_050
    assert network(torch.zeros(1, 2, 60, 41)).shape == (1, 50)


@pytest.mark.parametrize("length", [20, 22, 41, 101])
def test_piczaks_network_takes_segments_of_other_lengths(length):
    settings = SegmentCnnSettings(segment_frames=length, filters=2, units=3)
    assert segment_cnn.build(20, 2, settings)(torch.zeros(3, 2, 20, length)).shape == (3, 2)


def test_deltas_are_slopes():
    ramp = np.arange(30, dtype=np.float32)[:, None] * np.array([0.5, -2.0, 0.0], np.float32)
    found = segment_cnn.deltas(ramp)
    np.testing.assert_allclose(found[4:-4], [[0.5, -2.0, 0.0]] * 22, atol=1e-6)
    noise = np.random.default_rng(0).standard_normal((2, 41, 7)).astype(np.float32)
    for one, slopes in zip(noise, segment_cnn.deltas(noise), strict=True):
        wanted = librosa.feature.delta(one, width=9, axis=0, mode="nearest")
        np.testing.assert_allclose(slopes, wanted, atol=1e-5)


def test_silent_segments_are_left_out_and_one_is_always_kept():
    clip = np.full((60, 20), -160.0, np.float32)
    clip[:20] = np.random.default_rng(0).uniform(-60, -20, (20, 20))
    settings = CNN.model_copy(update={"hop_frames": 20})
    assert segment_cnn.segments_of(clip, settings).shape == (1, 2, 20, 20)
    assert len(segment_cnn.segments_of(np.full((60, 20), -160.0, np.float32), settings)) == 3
    short = segment_cnn.segments_of(clip[:7], CNN)
    assert short.shape == (1, 2, 20, 20)
    assert short[0, 0].min() == CNN.floor_db
    quiet = np.repeat(np.linspace(0.0, -159.0, 60, dtype=np.float32)[:, None], 20, axis=1)
    assert (
        len(segment_cnn.segments_of(quiet[30:], settings.model_copy(update={"silence_db": -1.0})))
        == 1
    )


def test_loudness_of_a_clip_is_not_heard_by_piczaks_network(tones):
    clip = tones.values[: tones.lengths[0]]
    both = [segment_cnn.segments_of(one, CNN) for one in (clip, clip - 20.0)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-4)


def test_a_code_has_few_atoms_and_a_dictionary_atoms_of_length_one(tones):
    segments = material_of(tones.clips, np.ones(10, bool), RECIPE, Known(tones)).segments
    learnt = sparse_coding.learn(segments, SPARSE, seed=0)
    codes = learnt.codes(segments[0])
    assert codes.shape == (len(segments[0]), 24)
    assert (np.count_nonzero(codes, axis=1) <= 3).all()
    np.testing.assert_allclose(np.linalg.norm(learnt.atoms, axis=1), 1.0)


def test_a_learnt_dictionary_says_frames_better_than_a_drawn_one(tones):
    segments = material_of(tones.clips, np.ones(10, bool), RECIPE, Known(tones)).segments
    frames = np.concatenate(segments)

    def error(dictionary):
        standard = (frames - dictionary.mean) / dictionary.deviation
        return np.square(standard - dictionary.codes(frames) @ dictionary.atoms).mean()

    learnt, begun = (
        make(segments, SPARSE, seed=0) for make in (sparse_coding.learn, sparse_coding.begin)
    )
    assert error(learnt) < 0.8 * error(begun)


def test_a_discriminator_gives_a_grid_of_every_layer():
    segments = [np.zeros((31, 20), np.float32)] * 2
    learnt = dcgan.learn(segments, DcganSettings(epochs=0), seed=0)
    channels = [layer[0].out_channels for layer in learnt.layers]
    assert channels == [16, 32, 64, 128]
    assert learnt.vectors(segments).shape == (2, 16 * sum(channels))
    assert dcgan.picture_of(np.ones((31, 20), np.float32), 64).shape == (1, 64, 64)


def test_a_vector_of_the_discriminator_does_not_depend_on_its_neighbours():
    random = np.random.default_rng(0)
    segments = [random.uniform(-1, 1, (30, 20)).astype(np.float32) for _ in range(9)]
    learnt = dcgan.learn(segments, GAN, seed=0)
    alone = np.concatenate([learnt.vectors([one]) for one in segments])
    np.testing.assert_allclose(learnt.vectors(segments), alone, atol=1e-5)


# --- what they may learn from ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "learn",
    [partial(frame_mlp.learn, MLP), partial(segment_cnn.learn, CNN)],
    ids=["dcase2017", "piczak"],
)
def test_a_deciding_system_learns_and_never_looks_at_what_is_asked(tones, learn):
    training = np.array([clip.fold == 1 for clip in tones.clips])
    known = FramesSystem("s", RECIPE, Known(tones), learn)
    found = known.decide(tones.clips, training, seed=3, run=Path())
    assert isinstance(known, DecidingSystem)
    assert found.names == ("high", "low")
    assert np.isnan(found.probabilities[training]).all()
    np.testing.assert_allclose(found.probabilities[~training].sum(axis=1), 1.0)
    right = [found.names[row.argmax()] for row in found.probabilities[~training]]
    assert right == [clip.label for clip in tones.clips if clip.fold == 2]
    # neither labels nor sound of the clips that are asked change what is learnt
    values = tones.values.copy()
    asked = int(np.flatnonzero(~training)[0])
    values[tones.starts[asked] : tones.starts[asked] + tones.lengths[asked]] = -100.0
    clips = tuple(
        clip if taught else replace(clip, label="low")
        for clip, taught in zip(tones.clips, training, strict=True)
    )
    other = replace(tones, values=values, clips=clips)
    again = FramesSystem("s", RECIPE, Known(other), learn)
    same = again.decide(clips, training, seed=3, run=Path()).probabilities
    rest = np.flatnonzero(~training)[1:]
    assert np.array_equal(same[rest], found.probabilities[rest])


@pytest.mark.parametrize(
    "learn",
    [partial(frame_mlp.learn, MLP), partial(segment_cnn.learn, CNN)],
    ids=["dcase2017", "piczak"],
)
def test_a_seed_decides_what_a_deciding_system_learns(tones, learn):
    clips = decibels_of(tones.clips, RECIPE, Known(tones))
    labels = np.array([clip.label == "low" for clip in tones.clips]).astype(np.int64)
    first, same, other = (learn(clips, labels, seed).network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_stops_by_a_part_of_each_class_that_it_does_not_learn():
    labels = np.repeat([0, 1, 2], [20, 10, 1])
    drawn = frame_mlp.draw_validation(labels, 0.1, np.random.default_rng(0))
    assert np.bincount(labels[drawn], minlength=3).tolist() == [2, 1, 0]
    assert not frame_mlp.draw_validation(labels, 0.0, np.random.default_rng(0)).any()
    random = np.random.default_rng(1)
    noise = [random.standard_normal((20, 6)).astype(np.float32) for _ in range(20)]
    settings = FrameMlpSettings(epochs=60, units=(4,), patience=2)
    learnt = frame_mlp.learn(settings, noise, np.arange(20) % 2, 0)
    assert learnt.n_epochs < 60  # there is nothing to learn
    settings = settings.model_copy(update={"validation_share": 0.0, "epochs": 5})
    assert frame_mlp.learn(settings, noise, np.arange(20) % 2, 0).n_epochs == 5


def test_draws_of_others_are_as_if_nobody_had_learnt():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1):
        torch.rand(100)
    assert torch.equal(torch.rand(3), wanted)


SYSTEMS = pytest.mark.parametrize(
    ("kind", "settings"),
    [(SparseCodingSystem, SPARSE), (DcganSystem, GAN)],
    ids=["sparse-coding", "dcgan"],
)


@SYSTEMS
def test_features_come_from_a_seed_and_no_label(kind, settings):
    made = random_spectrograms()
    found = features_of(kind, settings)
    assert found.vectors.dtype == np.float32
    assert np.isfinite(found.vectors).all()
    assert np.array_equal(np.unique(found.clip_rows), np.arange(8))
    unlabelled = tuple(replace(clip, label=None, fold=None) for clip in made.clips)
    same = features_of(kind, settings, replace(made, clips=unlabelled))
    assert np.array_equal(found.vectors, same.vectors)
    assert not np.array_equal(found.vectors, features_of(kind, settings, seed=1).vectors)
    assert found.cost.parameters > 0
    assert found.cost.macs_per_s > 0


@SYSTEMS
def test_what_may_not_be_heard_changes_nothing(kind, settings):
    made = random_spectrograms()
    heard = np.arange(8) != 3
    values = made.values.copy()
    values[made.starts[3] : made.starts[3] + made.lengths[3]] = -50.0
    found = features_of(kind, settings, heard=heard)
    other = features_of(kind, settings, replace(made, values=values), heard=heard)
    rows = found.clip_rows != 3
    assert np.array_equal(found.vectors[rows], other.vectors[rows])
    assert not np.array_equal(found.vectors[~rows], other.vectors[~rows])


def test_the_twins_weights_are_as_they_were_drawn():
    random = np.random.default_rng(0)
    some, others = (
        [random.uniform(-1, 1, (30, 20)).astype(np.float32) for _ in range(6)] for _ in range(2)
    )
    atoms = [sparse_coding.begin(of, SPARSE, seed=0).atoms for of in (some, others)]
    assert np.array_equal(*atoms)
    assert not np.array_equal(sparse_coding.learn(some, SPARSE, seed=0).atoms, atoms[0])
    drawn = GAN.model_copy(update={"epochs": 0})
    twins = [dcgan.learn(of, drawn, seed=0) for of in (some, others)]
    learnt = dcgan.learn(some, GAN, seed=0)
    for one, other, trained in zip(
        *(net.layers.parameters() for net in (*twins, learnt)), strict=True
    ):
        assert torch.equal(one, other)
        assert not torch.equal(one, trained)
    assert len(learnt.losses) == 2
    assert features_of(SparseCodingSystem, SPARSE, untrained=True).vectors.shape[1] == 72
    assert features_of(DcganSystem, GAN, untrained=True) is not None


# --- fusion, kinds, the bench ----------------------------------------------------------------------------------


def test_fused_features_stand_side_by_side(tmp_path):
    made = random_spectrograms()
    heard = np.ones(8, bool)
    parts = (
        SparseCodingSystem("a", RECIPE, Known(made), SPARSE),
        DcganSystem("b", RECIPE, Known(made), GAN),
    )
    fused = FusedSystem("both", parts)
    assert isinstance(fused, FeatureSystem)
    found = fused.features(made.clips, heard, seed=0, run=tmp_path)
    first = parts[0].features(made.clips, heard, seed=0, run=tmp_path)
    assert np.array_equal(found.vectors[:, : first.vectors.shape[1]], first.vectors)
    assert found.cost.parameters > first.cost.parameters
    twin = fused.untrained(made.clips, heard, seed=0, run=tmp_path)
    assert twin.vectors.shape == found.vectors.shape
    assert not np.array_equal(twin.vectors, found.vectors)
    longer = RECIPE.model_copy(update={"segment": RECIPE.segment.model_copy(update={"hop_s": 0.4})})
    uneven = FusedSystem("x", (parts[0], SparseCodingSystem("c", longer, Known(made), SPARSE)))
    with pytest.raises(ConfigurationError, match="different segments"):
        uneven.features(made.clips, heard, seed=0, run=tmp_path)


def test_parts_of_a_fusion_may_differ_in_anything_that_decides_what_they_learn(tmp_path):
    """Several objectives of one encoder, several lengths of memory: one row of the table."""
    objective = {"kind": "prediction", "ahead_frames": [2]}
    parts = [
        {"kind": "encoder"},
        {"kind": "encoder", "changes": {"objective": objective, "model.units": [5]}},
    ]
    spectra = Spectra(tmp_path, None, tmp_path)
    fused = kind_of("fused").system("two objectives", RECIPE, {"parts": parts}, spectra)
    first, second = (part.recipe for part in fused.parts)
    assert first == RECIPE
    assert second.objective.kind == "prediction"
    assert second.model.units == (5,)


def test_a_fusion_of_what_never_learns_has_no_twin(tmp_path):
    given = ModelFileSystem("m", default_model_path())
    learns = DcganSystem("b", RECIPE, Known(random_spectrograms()), GAN)
    fused = FusedSystem("m", (given, learns))
    assert fused.files == (default_model_path(),)
    assert given.untrained((), [], seed=0, run=tmp_path) is None
    assert fused.untrained((), [], seed=0, run=tmp_path) is None  # nor one that is half trained
    pooled = PooledLogmelSystem("p", RECIPE, Known(None))
    assert FusedSystem("p", (pooled, pooled)).untrained((), [], seed=0, run=tmp_path) is None
    assert (
        PooledLogmelSystem("p", RECIPE, Known(None)).untrained((), [], seed=0, run=tmp_path) is None
    )


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("dcase2017-mlp", {"unit": 3}, "unknown key 'unit'"),
        ("piczak-cnn", {"epochs": 0}, "epochs"),
        ("dcgan", {"side": 48}, "side"),
        ("fused", {"parts": [{"kind": "dcgan"}]}, "parts"),
        ("fused", {"parts": [{"kind": "dcgan"}, {"kind": "piczak-cnn"}]}, "decides itself"),
        ("fused", {"parts": [{"kind": "dcgan"}, {"kind": "none"}]}, "no kind 'none'"),
        (
            "fused",
            {"parts": [{"kind": "dcgan"}, {"kind": "encoder", "changes": {"model.unit": [6]}}]},
            r"part 2 \(encoder\) of 's': .*no model.unit",
        ),
        (
            "fused",
            {"parts": [{"kind": "dcgan"}, {"kind": "encoder", "changes": {"segment.hop_s": 0.5}}]},
            "cut the same segments",
        ),
        (
            "fused",
            {"parts": [{"kind": "dcgan"}, {"kind": "model-file", "changes": {"fit.epochs": 2}}]},
            "has learnt already",
        ),
        (
            "fused",
            {"parts": [{"kind": "dcgan"}, {"kind": "encoder", "changes": {"fit.seed": 1}}]},
            "comparison's own keys",
        ),
        ("model-file", {"file": "nowhere.onnx"}, "there is no file nowhere.onnx"),
        ("foreign", {"file": "nowhere.onnx"}, "there is no file nowhere.onnx"),
        ("foreign", {}, "file"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(kind, options, said, tmp_path):
    with pytest.raises(ConfigurationError, match=said) as refused:
        kind_of(kind).system("s", RECIPE, options, Spectra(tmp_path, None, tmp_path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "trainer/recipes/baselines").glob("*.toml")), ids=lambda p: p.stem
)
def test_frames_of_the_baselines_are_the_papers(path):
    frontend = load_toml(path, Recipe).frontend.stored()
    [view] = frontend.views
    found = (frontend.sample_rate_hz, view.window_samples, frontend.hop_samples, view.n_bands)
    assert (
        found == {"dcase2017": (44100, 1764, 882, 40), "piczak": (22050, 1024, 512, 60)}[path.stem]
    )


def test_the_bench_takes_all_of_them(tmp_path):
    data = write_tones(tmp_path / "data", n_clips=4)
    (tmp_path / "tiny.toml").write_text(
        "frontend = { sample_rate_hz = 8000, window_s = 0.04, hop_s = 0.02, bands = 20 }\n"
        "segment = { length_s = 0.5, hop_s = 0.2 }\n"
    )
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'seeds = [0]\nclassifiers = ["linear-svm-anova"]\nc_grid = [0.01]\nn_folds = 3\n'
        + "".join(
            f'[[system]]\nkind = "{kind}"\nrecipe = "tiny.toml"\noptions = {options}\n{more}\n'
            for kind, options, more in (
                ("dcase2017-mlp", "{ epochs = 3, units = [8] }", "choosable = false"),
                (
                    "piczak-cnn",
                    "{ segment_frames = 20, filters = 2, units = 4, epochs = 1 }",
                    "choosable = false",
                ),
                ("sparse-coding", "{ atoms = 8, frames = 100, nonzero = 2 }", ""),
                (
                    "fused",
                    '{ parts = [{ kind = "pooled-logmel" },'
                    ' { kind = "dcgan", options = { side = 16, channels = 2, epochs = 1 } }] }',
                    "",
                ),
            )
        )
    )
    outcome = compare(Plan(spec, data, tmp_path / "out"))
    assert not outcome.failed
    assert len(list((tmp_path / "out" / "cells").glob("*-cost.json"))) == 4
