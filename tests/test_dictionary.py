"""A dictionary of patches learns without labels, is repeatable, and streams bit for bit."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from pydantic import ValidationError
from strategies import cuttings
from tiny import FRONTEND, SEGMENT, noise, tiny_content
from trainer_data import RECIPE, random_spectrograms, with_fit

from streamdeep import onnxfile
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, ModelError, SourceError
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block
from streamdeep_trainer.agreement import before_root, check_against_torch
from streamdeep_trainer.building import shape_of
from streamdeep_trainer.checkpoint import load_checkpoint, network_from, weights_of
from streamdeep_trainer.clustering.kmeans import improved, mean_square_left, whitening_of
from streamdeep_trainer.clustering.patches import PER_CROP, PatchSource
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.fusion import fuse_models, load_part
from streamdeep_trainer.graph import Scaling, encoder_contract, write_encoder
from streamdeep_trainer.modelfile import seal_model
from streamdeep_trainer.models.arrays import encoder_weights
from streamdeep_trainer.models.dictionary import DictionaryShape
from streamdeep_trainer.models.networks import build_network
from streamdeep_trainer.models.patches import PatchesShape, PatchShape, patches_of
from streamdeep_trainer.models.rows import signed_root
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.shrink import shrink_model
from streamdeep_trainer.tuning.defaults import default_space
from streamdeep_trainer.tuning.space import check_space

N_FEATURES = FRONTEND.n_features  # 20
SMALL = {
    "kind": "dictionary",
    "name": "tiny",
    "dictionaries": (
        {"frames": 1, "atoms": 16, "components": 12},
        {"frames": 5, "bands": 8, "band_hop": 4, "atoms": 16, "components": 12},
    ),
    "patches": 400,
}


def shaped(*sizes, **options):
    """Dictionaries of so many frames, bands and bands from patch to patch."""
    each = [PatchShape(N_FEATURES, *size, atoms=10, components=8) for size in sizes]
    patches = PatchesShape(tuple(each), options.pop("rectify", "none"))
    return DictionaryShape(patches, **options)


SHAPES = {
    "one frame": shaped((1,)),
    "one length": shaped((4,)),
    "three lengths": shaped((7,), (2, 10), (1, 8, 3), roughness=True),
    "positive": shaped((3,), (5, 8, 4), rectify="positive", roughness=True),
    "both signs": shaped((3, 4), (5,), rectify="both"),
    "rooted": shaped((3,), (5, 8, 4), roughness=True, rooted=True),
    "scaled": shaped((3,), (5, 8, 4), roughness=True, rooted=True, scaled=True),
}
NOT_SCALED = sorted(SHAPES.keys() - {"scaled"})  # torch's networks know of no training data


def recipe_of(**changes):
    plain = RECIPE.model_dump()
    plain["model"] = SMALL | changes
    return Recipe.model_validate(plain)


def loaded(content, name="dictionary"):
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, name), name)
    model.prove()
    return model


def sealed(shape, frontend=FRONTEND):
    """A dictionary of random atoms and a random mean, and the file made of it."""
    torch.manual_seed(0)
    network = build_network(shape).eval()
    for dictionary in network.patches.each:
        dictionary.mean.uniform_(-0.5, 0.0)
    encoder = network.encoder
    weights = encoder_weights(encoder, None)
    if shape.scaled:
        random = np.random.default_rng(0)
        mean, deviation = random.uniform(0.1, 1.0, (2, weights.dim)).astype(np.float32)
        weights = replace(weights, scaling=Scaling(mean, deviation))
    content = seal_model(
        write_encoder(weights, frontend.n_features),
        frontend=frontend,
        segment=SEGMENT,
        encoder=encoder_contract(weights),
    )
    return encoder, content


@cache
def exported(name):
    encoder, content = sealed(SHAPES[name])
    return encoder, loaded(content)


def frames(n_rows, n_steps, seed=0, n_features=N_FEATURES):
    random = np.random.default_rng(seed)
    found = random.uniform(-1, 1, (n_rows, n_steps, n_features)).astype(np.float32)
    found[0] = -1.0  # silence
    return found


def in_chunks(model, rows, lengths):
    state, at, embeddings = model.fresh_state(len(rows)), 0, None
    for length in lengths:
        if not length:
            continue
        chunk = np.ascontiguousarray(rows[:, at : at + length])
        at += length
        emit = np.arange(len(rows) if at == rows.shape[1] else 0)
        state, embeddings = model.step(chunk, state, emit)
    return embeddings


@pytest.mark.parametrize("name", NOT_SCALED)
def test_the_graph_is_torch_for_any_length_and_batch(name):
    encoder, model = exported(name)
    assert model.incremental
    assert model.complaint is None
    for n_steps in (1, 2, 7, 124):
        for n_rows in (1, 3, 64):
            rows = frames(n_rows, n_steps, seed=n_steps)
            with torch.no_grad():
                wanted = encoder(torch.from_numpy(rows), torch.full((n_rows,), n_steps)).numpy()
            assert np.abs(model.encode(rows) - wanted).max() < 1e-5


@pytest.mark.parametrize("name", SHAPES)
def test_neighbours_of_any_number_change_no_bit(name):
    _, model = exported(name)
    rows = frames(67, 29)
    alone = np.concatenate([model.encode(row[None]) for row in rows[:9]])
    for n_rows in (2, 3, 7, 64, 67):
        np.testing.assert_array_equal(model.encode(rows[:n_rows])[:9], alone[:n_rows])
    np.testing.assert_array_equal(in_chunks(model, rows, [3] * 9 + [2])[:9], alone)


@settings(deadline=None, max_examples=60)
@given(lengths=cuttings(41), name=st.sampled_from(sorted(SHAPES)))
def test_no_cut_changes_a_bit(lengths, name):
    _, model = exported(name)
    rows = frames(3, 41)
    np.testing.assert_array_equal(in_chunks(model, rows, lengths), model.encode(rows))


@pytest.mark.parametrize("rectify", ["none", "both"])
def test_dictionaries_of_the_size_that_is_used_are_bit_identical_too(rectify):
    """Which kernel multiplies depends on the size; 20 bands and 10 atoms would not show it."""
    view = FRONTEND.views[0].model_copy(update={"n_bands": 128, "window_samples": 1600})
    frontend = FRONTEND.model_copy(update={"views": (view,)})
    large = PatchShape(128, 16, atoms=512, components=256)
    local = PatchShape(128, 8, 16, 8, atoms=256, components=128)
    patches = PatchesShape((large, local), rectify)
    shape = DictionaryShape(patches, roughness=True, rooted=True, scaled=True)
    model = loaded(sealed(shape, frontend)[1])
    rows = frames(255, 5, n_features=128)
    alone = np.concatenate([model.encode(row[None]) for row in rows[:5]])
    for n_rows in (2, 3, 16, 64, 255):
        np.testing.assert_array_equal(model.encode(rows[:n_rows])[:5], alone[:n_rows])
    for cut in ([1] * 5, [4, 1]):
        np.testing.assert_array_equal(in_chunks(model, rows[:64], cut)[:5], alone)


def test_silence_is_exact_however_long_and_however_cut():
    encoder, model = exported("three lengths")
    rows = np.full((3, 1000, N_FEATURES), -1.0, dtype=np.float32)
    rows[2, ::7] = 1.0
    with torch.no_grad():
        wanted = encoder(torch.from_numpy(rows), torch.full((3,), 1000)).numpy()
    whole = model.encode(rows)
    assert np.abs(whole - wanted).max() < 1e-5
    for cut in (1, 13, 700):
        lengths = [cut] * (1000 // cut) + [1000 % cut]
        np.testing.assert_array_equal(in_chunks(model, rows, lengths), whole)


@pytest.mark.parametrize(("name", "longest"), [("one length", 4), ("three lengths", 7)])
def test_a_click_moves_as_many_frames_as_the_longest_patch_has(name, longest):
    encoder, _ = exported(name)
    quiet = frames(1, 30, seed=1)
    clicked = quiet.copy()
    clicked[0, 12] = 1.0
    with torch.no_grad():
        before, after = (encoder.outputs(torch.from_numpy(rows)) for rows in (quiet, clicked))
    moved = np.flatnonzero((before != after).any(dim=2)[0].numpy())
    assert moved.tolist() == list(range(12, 12 + longest))


def test_what_stands_before_a_segment_is_its_first_frame():
    _, model = exported("three lengths")
    still = np.repeat(frames(2, 1, seed=3), 9, axis=1)
    mean, deviation, maximum, rough = np.split(model.encode(still), 4, axis=1)
    np.testing.assert_allclose(deviation, 0.01, atol=1e-6)
    np.testing.assert_allclose(mean, maximum, atol=1e-6)
    assert not rough.any()
    patches = patches_of(torch.arange(6.0).reshape(1, 3, 2), 3)
    assert patches[0].tolist() == [[0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("name", "cell", "units", "n_outputs", "n_before"),
    [
        ("one frame", "dictionary-1x20", (10,), 10, 0),
        ("three lengths", "dictionary-7x20-2x10-1x8", (10, 10, 10), 10 + 20 + 50, 6),
        ("both signs", "dictionary-3x4-5x20", (10, 10), 2 * (50 + 10), 4),
    ],
)
def test_the_contract_says_what_the_dictionary_is(name, cell, units, n_outputs, n_before):
    contract = exported(name)[1].contract.encoder
    assert (contract.cell, contract.units, contract.readout) == (cell, units, "pooled")
    # mean, deviation and maximum; with roughness also the mean change, and the output before is kept
    n_pooled, n_kept = (4, 5) if SHAPES[name].roughness else (3, 3)
    assert contract.dim == n_pooled * n_outputs
    assert contract.state_width == n_before * N_FEATURES + 1 + n_kept * n_outputs


def test_roughness_is_change_from_frame_to_frame_as_a_share_of_the_deviation():
    encoder, model = exported("positive")
    rows = frames(3, 12, seed=5)
    with torch.no_grad():
        outputs = encoder.outputs(torch.from_numpy(rows)).numpy()
    changes = np.abs(np.diff(outputs, axis=1)).sum(axis=1) / 12
    wanted = changes / (np.sqrt(outputs.var(axis=1) + 1e-4) + 0.02)
    np.testing.assert_allclose(np.split(model.encode(rows), 4, axis=1)[3], wanted, atol=1e-5)
    assert wanted.max() > 0.5


def test_a_rooted_embedding_is_the_signed_root_of_what_is_pooled():
    plain = loaded(sealed(replace(SHAPES["rooted"], rooted=False))[1])
    rows = frames(3, 12, seed=5)
    *pooled, rough = np.split(plain.encode(rows), 4, axis=1)
    *found, still_rough = np.split(exported("rooted")[1].encode(rows), 4, axis=1)
    for root, value in zip(found, pooled, strict=True):
        assert np.abs(root - np.sign(value) * np.sqrt(np.abs(value))).max() < 0.03  # sqrt(1e-3)
        assert (np.sign(root) == np.sign(value)).all()
    np.testing.assert_array_equal(still_rough, rough)


def test_scaled_embeddings_are_centred_over_the_training_and_of_length_one(tmp_path):
    made = random_spectrograms()
    plain = export_model(fit(recipe_of(), made, run=tmp_path / "plain"), made)
    scaled = export_model(fit(recipe_of(scaled=True), made, run=tmp_path / "scaled"), made)
    constants = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.ModelProto.FromString(scaled).graph.initializer
    }
    mean, deviation = constants["scaling_mean"], constants["scaling_deviation"]
    of_training = loaded(plain).contract.statistics.mean.array()
    np.testing.assert_allclose(mean, of_training, atol=1e-5)
    assert 0.01 <= deviation.min() < deviation.max()
    rows = frames(5, 24)
    alike = (loaded(plain).encode(rows) - mean) / deviation
    wanted = alike / np.linalg.norm(alike, axis=1, keepdims=True)
    np.testing.assert_allclose(loaded(scaled).encode(rows), wanted, atol=1e-5)


def test_a_file_whose_responses_are_not_the_networks_is_refused():
    encoder, content = sealed(SHAPES["three lengths"])  # with roughness
    model = loaded(content)
    check_against_torch(model, encoder)
    encoder.patches.each[0].atoms.mul_(1.001)
    with pytest.raises(ModelError, match="the exported graph differs from torch by"):
        check_against_torch(model, encoder)


def test_rounding_in_a_sum_counts_as_much_where_roots_are_taken_of_it():
    encoder, content = sealed(SHAPES["rooted"])
    model = loaded(content)
    mean = encoder.patches.each[0].mean
    mean.add_(1e-5)  # roots near zero differ by thirty times as much
    check_against_torch(model, encoder)
    mean.add_(1e-3)
    with pytest.raises(ModelError, match="the exported graph differs from torch by"):
        check_against_torch(model, encoder)


@given(value=st.floats(-100.0, 100.0))
def test_what_a_root_was_taken_of_is_found_again(value):
    rooted = signed_root(torch.tensor([value], dtype=torch.float64)).numpy()
    np.testing.assert_allclose(before_root(rooted), [value], rtol=1e-9, atol=1e-12)


def test_patches_at_all_heights_share_their_atoms():
    encoder, _ = exported("positive")
    rows = np.full((1, 9, N_FEATURES), -1.0, dtype=np.float32)
    low, high = rows.copy(), rows.copy()
    low[0, 3, 2:6] = high[0, 3, 6:10] = 0.5  # four bands, which is the hop, higher
    with torch.no_grad():
        low_outputs, high_outputs = (
            encoder.outputs(torch.from_numpy(found))[0, :, 10:].reshape(9, 4, 10)
            for found in (low, high)
        )
    torch.testing.assert_close(low_outputs[:, :2], high_outputs[:, 1:3])


def test_a_recipe_learns_exports_and_runs_in_the_pipeline(tmp_path):
    recipe, made = recipe_of(rectify="both"), random_spectrograms()
    checkpoint = fit(with_fit(recipe, epochs=6), made, run=tmp_path)
    learnt = [training for training, _ in checkpoint.losses]
    assert learnt == sorted(learnt, reverse=True)
    assert learnt[-1] < 0.95 * learnt[0]
    for untrained in (False, True):
        model = loaded(export_model(checkpoint, made, untrained=untrained))
        assert model.incremental
        assert model.complaint is None
        assert model.contract.encoder.dim == shape_of(recipe).embedding_dim
        whole = Pipeline(model, 8000, 1)
        found = whole.push(Block(noise(12_000), 0)) + whole.flush()
        cut = Pipeline(model, 8000, 1)
        pieces = [
            record
            for at in range(0, 12_000, 37)
            for record in cut.push(Block(noise(12_000)[at : at + 37], at))
        ] + cut.flush()
        assert len(found) > 3
        for one, other in zip(found, pieces, strict=True):
            np.testing.assert_array_equal(one.vector, other.vector)


def same(left, right):
    return left.keys() == right.keys() and all(
        np.array_equal(values, right[name]) for name, values in left.items()
    )


def test_the_same_seed_gives_the_same_atoms_and_labels_are_not_looked_at(tmp_path):
    made = random_spectrograms()
    relabelled = replace(made, clips=tuple(replace(clip, label=None) for clip in made.clips))
    first = fit(recipe_of(), made, run=tmp_path / "a")
    again = fit(recipe_of(), relabelled, run=tmp_path / "b")
    other = fit(recipe_of().with_seed(1), made, run=tmp_path / "c")
    assert same(first.weights, again.weights)
    assert first.losses == again.losses
    assert not same(first.weights, other.weights)


def test_held_out_clips_are_not_learnt_from(tmp_path):
    recipe, made = with_fit(recipe_of(), validation_fraction=0.5), random_spectrograms()
    first = fit(recipe, made, run=tmp_path / "a")
    changed = made.values.copy()
    for start, length, clip in zip(made.starts, made.lengths, made.clips, strict=True):
        if clip.filename in first.held_out:
            changed[start : start + length] = -50.0
    again = fit(recipe, replace(made, values=changed), run=tmp_path / "b")
    assert same(first.weights, again.weights)
    assert [pair[0] for pair in first.losses] == [pair[0] for pair in again.losses]
    assert [pair[1] for pair in first.losses] != [pair[1] for pair in again.losses]


def test_a_run_that_was_interrupted_goes_on_to_the_same_atoms(tmp_path):
    recipe, made = recipe_of(), random_spectrograms()
    whole = fit(with_fit(recipe, epochs=4), made, run=tmp_path / "whole")
    fit(with_fit(recipe, epochs=1), made, run=tmp_path / "parts")
    resumed = fit(with_fit(recipe, epochs=4), made, run=tmp_path / "parts", resume=True)
    assert same(whole.weights, resumed.weights)
    assert whole.losses == resumed.losses
    kept = load_checkpoint(tmp_path / "parts" / CHECKPOINT)
    assert same(weights_of(network_from(kept)), whole.weights)


def test_no_epochs_give_atoms_and_whitening_at_random(tmp_path):
    made = random_spectrograms()
    found = fit(with_fit(recipe_of(), epochs=0), made, run=tmp_path)
    other = replace(made, values=made.values + 5.0)
    again = fit(with_fit(recipe_of(), epochs=0), other, run=tmp_path / "other")
    assert same(found.weights, again.weights)  # whatever the sound
    assert not any(found.weights[name].any() for name in found.weights if name.endswith("mean"))


def drawn_from(made, shape, n_patches):
    source = PatchSource(made, recipe_of(), (-90.0, -20.0))
    return torch.cat(list(source.draw(np.arange(8), n_patches, shape, gain_db=0.0)))


def test_patches_are_pieces_of_the_crops_and_every_clip_gives_its_share():
    made = random_spectrograms()
    numbered = np.arange(1, made.values.size + 1).reshape(made.values.shape)
    between = -90.0 + 70.0 * numbered / (made.values.size + 1)  # the levels
    made = replace(made, values=between.astype(np.float32))
    shape = PatchShape(N_FEATURES, 5, 8, 4, components=8)
    drawn = drawn_from(made, shape, 8 * PER_CROP)
    assert drawn.shape == (8 * PER_CROP, 40)
    value = (drawn.double().numpy() + 1.0) / 2.0 * (made.values.size + 1) - 1.0
    frame, band = np.divmod(np.rint(value).astype(int).reshape(-1, 5, 8), 20)
    assert set(band[:, 0, 0]) == {0, 4, 8, 12}
    assert (band - band[:, :1, :1] == np.arange(8)).all()
    assert (frame == frame[:, :, :1]).all()
    steps = np.diff(frame[:, :, 0], axis=1)
    assert set(np.unique(steps)) <= {0, 1}  # 0 only before a crop's first frame
    assert (np.diff(steps, axis=1) >= 0).all()
    clip = np.searchsorted(made.starts, frame[:, -1, 0], side="right") - 1
    assert np.bincount(clip, minlength=8).tolist() == [PER_CROP] * 8
    assert torch.equal(drawn, drawn_from(made, shape, 8 * PER_CROP))


def test_silence_is_not_learnt_from(tmp_path):
    made, shape = random_spectrograms(), PatchShape(N_FEATURES, 3, components=8)
    half = made.values.copy()
    half[made.starts[4] :] = -160.0
    assert len(drawn_from(replace(made, values=half), shape, 8 * PER_CROP)) == 4 * PER_CROP
    nothing = replace(made, values=np.full_like(made.values, -160.0))
    with pytest.raises(SourceError, match="0 of 400 patches are not silent, too few for 16"):
        fit(recipe_of(), nothing, run=tmp_path)


def test_whitened_patches_are_uncorrelated_and_of_about_equal_variance():
    random = np.random.default_rng(0)
    mixed = random.standard_normal((4000, 6)) @ random.standard_normal((6, 6)) + 3.0
    patches = torch.from_numpy(mixed.astype(np.float32))
    mean, whitening = whitening_of(torch.split(patches, 500), 4)
    whitened = ((patches - mean) @ whitening).double()
    covariance = (whitened.T @ whitened / len(whitened)).numpy()
    variances = np.diag(covariance)
    assert 0.4 < variances.min() < variances.max() < 1.0
    np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-4)
    silent, flat = whitening_of([torch.full((9, 6), -1.0)], 4)
    assert torch.isfinite(flat).all()
    assert torch.equal(silent, torch.full((6,), -1.0))


def test_k_means_finds_directions_that_are_there_and_brings_idle_atoms_to_work():
    random = np.random.default_rng(0)
    axes = np.linalg.qr(random.standard_normal((8, 8)))[0][:5]
    drawn = axes[random.integers(5, size=600)] + 0.05 * random.standard_normal((600, 8))
    directions = torch.nn.functional.normalize(torch.from_numpy(drawn.astype(np.float32)), dim=1)
    atoms = directions[:1].repeat(5, 1)  # all alike: four of them have nothing to do
    left = [mean_square_left(atoms, directions)]
    for _ in range(12):
        atoms, before = improved(atoms, directions, random)
        assert before == pytest.approx(left[-1], abs=1e-6)
        left.append(mean_square_left(atoms, directions))
    assert left[-1] < 0.05 < left[0]
    alike = np.abs(atoms.numpy() @ axes.T)
    assert sorted(alike.argmax(axis=1)) == [0, 1, 2, 3, 4]
    assert alike.max(axis=1).min() > 0.99


def test_a_dictionary_and_a_recurrent_encoder_fuse_bit_for_bit(tmp_path):
    paths = [tmp_path / "dictionary.onnx", tmp_path / "gru.onnx"]
    paths[0].write_bytes(sealed(SHAPES["three lengths"])[1])
    paths[1].write_bytes(tiny_content())
    parts = [load_part(path) for path in paths]
    fused = loaded(fuse_models(parts, name="both"))
    assert fused.incremental
    assert fused.complaint is None
    assert fused.contract.encoder.cell == "dictionary-7x20-2x10-1x8 + gru"
    samples = noise(9000)
    vectors = []
    for model, cut in ((parts[0].model, 9000), (parts[1].model, 9000), (fused, 9000), (fused, 41)):
        pipeline = Pipeline(model, 8000, 1)
        records = [
            record
            for at in range(0, 9000, cut)
            for record in pipeline.push(Block(samples[at : at + cut], at))
        ]
        vectors.append(np.stack([record.vector for record in records + pipeline.flush()]))
    wanted = np.concatenate(vectors[:2], axis=1)
    np.testing.assert_array_equal(vectors[2], wanted)
    np.testing.assert_array_equal(vectors[3], wanted)


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_it_is_stored_small_like_any_other(kind, tmp_path):
    path = tmp_path / "model.onnx"
    full = sealed(SHAPES["both signs"])[1]
    path.write_bytes(full)
    small = loaded(shrink_model(path, kind))
    assert small.incremental
    stored = {
        tensor.name
        for tensor in onnx.ModelProto.FromString(shrink_model(path, kind)).graph.initializer
    }
    assert {f"dictionary0_W0_{kind}", f"dictionary1_W0_{kind}"} <= stored
    assert small.contract.provenance["weights"]["lowest_cosine"] > 0.999


def test_a_level_of_the_segment_gives_a_model_that_waits_for_its_end(tmp_path):
    plain = recipe_of().model_dump()
    plain["frontend"] |= {"level": "segment", "clip_below_db": -60.0}
    recipe = Recipe.model_validate(plain)
    made = replace(random_spectrograms(), frontend=recipe.frontend.stored())
    model = loaded(export_model(fit(with_fit(recipe, gain_db=0.0), made, run=tmp_path), made))
    assert not model.incremental
    assert model.batchable
    assert model.contract.encoder.state_width == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dictionaries": [{"frames": 4}, {"frames": 4}]}, "two of the dictionaries are the same"),
        ({"dictionaries": []}, "dictionaries"),
        ({"dictionaries": [{"frames": 65}]}, "frames"),
        ({"dictionaries": [{"atoms": 500}]}, "500 atoms cannot be learnt from 400 patches"),
        ({"rectify": "sometimes"}, "rectify"),
        ({"units": (8,)}, "units"),
    ],
)
def test_a_recipe_of_nonsense_is_refused_when_it_is_read(changes, message):
    with pytest.raises(ValidationError, match=message):
        recipe_of(**changes)


LARGE = {"frames": 16, "bands": 10, "atoms": 8192}


def of_one(**size):
    return recipe_of(dictionaries=[{"atoms": 8, "components": 8} | size])


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (of_one(frames=1, components=21), "has 20 values, and no 21 components"),
        (of_one(bands=21), "does not fit into the 20 bands"),
        (of_one(bands=8, band_hop=5), "leaves 2 of 20 bands out"),
        (recipe_of(dictionaries=[LARGE], patches=8192, rectify="both"), "65536 are"),
        (with_fit(recipe_of(), devices=2), "without devices = 2"),
        (with_fit(recipe_of(), accelerator="cuda"), "without accelerator = cuda"),
        (with_fit(recipe_of(), precision="bf16-mixed"), "without precision"),
        (with_fit(recipe_of(), tensorboard=True), "without tensorboard"),
    ],
)
def test_a_dictionary_that_cannot_be_is_refused_in_one_line(recipe, message):
    with pytest.raises(ConfigurationError, match=message) as refusal:
        shape_of(recipe)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("measure", ["accuracy", "rmse"])
def test_a_dictionary_is_tuned_in_a_space_of_its_own(measure):
    space = default_space(recipe_of(), measure)
    check_space(recipe_of(), space, measure)
    assert "model.dictionaries" in space
    assert ("model.rooted" in space) == (measure == "accuracy")
