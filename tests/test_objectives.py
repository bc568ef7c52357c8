"""Objectives: each learns, tells what it says it tells, goes on to the bit, and leaves the model file alone."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from trainer_data import RECIPE, random_spectrograms, tone_spectrograms, with_fit, write_tones

from streamdeep import onnxfile
from streamdeep.config import describe
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.batches import Batches
from streamdeep_trainer.building import untrained_network
from streamdeep_trainer.checkpoint import load_checkpoint, network_from, tensors_of
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.loop import split
from streamdeep_trainer.objectives.build import build_objective
from streamdeep_trainer.objectives.byol import distance as distance_of_directions
from streamdeep_trainer.objectives.contrastive import nt_xent
from streamdeep_trainer.objectives.objective import HIDDEN, Batch
from streamdeep_trainer.objectives.projection import spread
from streamdeep_trainer.objectives.squares import rmse
from streamdeep_trainer.objectives.vicreg import distance, lack_of_deviation, redundancy
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.tuning.space import check_space, parse_space

SOME_MASKS = {"longest_frames": 6, "widest_bands": 4}
OBJECTIVES = {
    "masked": {"masks": SOME_MASKS},
    "prediction": {"ahead_frames": (1, 3)},
    "cluster-prediction": {
        "masks": SOME_MASKS,
        "clusters": 6,
        "components": 12,
        "patches": 200,
        "passes": 3,
    },
    "contrastive": {"hidden": 16, "width": 8},
    "vicreg": {"hidden": 16, "width": 8},
    "byol": {"decay": 0.9, "hidden": 16, "width": 8},
}
AUGMENT = {
    "crop": 0.75,
    "mix": 0.3,
    "roll": True,
    "shift_bands": 2,
    "source_rates_hz": (4000,),
}


def recipe_of(objective, *, augment=None, model=None, **changes):
    content = RECIPE.model_dump()
    return Recipe.model_validate(
        content
        | {"objective": {"kind": objective} | OBJECTIVES.get(objective, {})}
        | {"augment": augment or {}}
        | {"model": content["model"] | (model or {})}
        | {"fit": content["fit"] | changes}
    )


def same(left, right):
    return left.keys() == right.keys() and all(
        np.array_equal(left[name], right[name]) for name in left
    )


def a_batch(hidden=None, n_rows=3, n_frames=12, seed=0):
    frames = torch.rand((n_rows, n_frames, 20), generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor([n_frames, n_frames - 3, n_frames - 5][:n_rows])
    return Batch(2.0 * frames - 1.0, lengths, hidden, lengths.sum())


def an_objective(kind, **changes):
    recipe = recipe_of(kind, **changes)
    return build_objective(recipe, untrained_network(recipe)).eval()


def test_without_an_objective_the_weights_are_those_of_a_reconstruction_by_hand(tmp_path):
    recipe = with_fit(epochs=2)
    found = fit(recipe, random_spectrograms(), run=tmp_path)
    network = untrained_network(recipe)
    adam = torch.optim.Adam(network.parameters(), lr=recipe.fit.learning_rate)
    batches = Batches(random_spectrograms(), recipe, found.levels)
    training, _ = split(random_spectrograms(), found.held_out)
    for epoch in (1, 2):
        random = np.random.default_rng((recipe.fit.seed, epoch))
        torch.manual_seed(int(random.integers(1 << 62)))
        network.train()
        order = random.permutation(training)
        for rows in np.array_split(order, -(-len(order) // recipe.fit.batch_size)):
            batch = batches.training(rows, random)
            loss = rmse(*network(batch.frames, batch.lengths), batch.lengths)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(network.parameters(), recipe.fit.gradient_clip)
            adam.step()
    wanted = {name: values.numpy() for name, values in network.state_dict().items()}
    assert same(found.weights, wanted)
    assert found.own_weights == {}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_spectrograms(write_tones(tmp_path_factory.mktemp("tones") / "tones"))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_training_lowers_every_objectives_loss(kind, tones, tmp_path):
    changes = {"epochs": 30, "learning_rate": 1e-2, "dropout": 0.0, "batch_size": 8}
    found = fit(recipe_of(kind, augment={"crop": 0.75}, **changes), tones, run=tmp_path)
    first, last = (np.mean([training for training, _ in part]) for part in halves(found.losses))
    assert last < 0.8 * first
    assert all(math.isfinite(held_out) for _, held_out in found.losses)
    assert found.losses[-1][1] < found.losses[0][1]


def halves(losses):
    return losses[:3], losses[-3:]


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_resumed_run_of_any_objective_ends_with_the_weights_of_an_uninterrupted_one(
    kind, tmp_path
):
    recipe = recipe_of(kind, augment=AUGMENT, epochs=3, validation_fraction=0.3)
    whole = fit(recipe, random_spectrograms(), run=tmp_path / "a")
    fit(with_fit(recipe, epochs=1), random_spectrograms(), run=tmp_path / "b")
    resumed = fit(recipe, random_spectrograms(), run=tmp_path / "b", resume=True)
    assert whole.losses == resumed.losses
    assert same(whole.weights, resumed.weights)
    assert same(whole.own_weights, resumed.own_weights)
    assert whole.own_weights  # what the objective adds is trained, and kept to go on with
    other = fit(recipe.with_seed(1), random_spectrograms(), run=tmp_path / "c")
    assert not same(whole.weights, other.weights)


@pytest.mark.parametrize(
    ("kind", "cell"),
    [*((kind, "gru") for kind in OBJECTIVES), ("masked", "lstm"), ("prediction", "minimal")],
)
def test_the_exported_model_is_the_encoder_alone(kind, cell, tmp_path):
    recipe = recipe_of(kind, model={"cell": cell}, epochs=1)
    found = fit(recipe, random_spectrograms(), run=tmp_path)
    assert {name.split(".")[0] for name in found.weights} == {"encoder"}
    content = export_model(found, random_spectrograms())
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "it"), "it")
    assert model.prove() is None
    assert model.incremental
    assert model.contract.provenance["recipe"]["objective"]["kind"] == kind


def test_a_readout_that_is_not_trained_stays_as_it_was_drawn_and_the_run_goes_on(tmp_path):
    recipe = recipe_of("prediction", model={"readout": "final"}, epochs=2)
    whole = fit(recipe, random_spectrograms(), run=tmp_path / "a")
    fit(with_fit(recipe, epochs=1), random_spectrograms(), run=tmp_path / "b")
    assert same(
        whole.weights, fit(recipe, random_spectrograms(), run=tmp_path / "b", resume=True).weights
    )
    drawn = untrained_network(recipe).encoder.projection.weight.detach().numpy()
    np.testing.assert_array_equal(whole.weights["encoder.projection.weight"], drawn)


def test_all_objectives_begin_with_the_same_encoder():
    wanted = untrained_network(RECIPE).encoder.state_dict()
    for kind in OBJECTIVES:
        found = untrained_network(recipe_of(kind)).encoder.state_dict()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_what_was_not_masked_does_not_count():
    hidden = torch.zeros((3, 12, 20), dtype=torch.bool)
    hidden[:, 4:6] = True
    hidden[0, :, 7:9] = True
    batch = a_batch(hidden)
    objective = an_objective("masked")
    outputs, _ = objective.encoder.run(batch.frames.masked_fill(hidden, HIDDEN), batch.lengths)
    told = torch.tanh(objective.own(outputs))
    valid = torch.arange(12)[None, :, None] < batch.lengths[:, None, None]
    wanted = ((told - batch.frames)[hidden & valid] ** 2).mean()
    torch.testing.assert_close(objective(batch), wanted)
    told_of_others = batch.frames.clone()
    told_of_others[2, 10] = 0.3  # beyond its length: neither heard nor counted
    assert torch.equal(objective(batch._replace(frames=told_of_others)), objective(batch))


def test_masked_values_are_not_given_to_the_encoder():
    hidden = torch.zeros((3, 12, 20), dtype=torch.bool)
    hidden[:, 4:6] = True
    batch = a_batch(hidden)
    changed = torch.where(hidden, -batch.frames, batch.frames)
    assert torch.equal(batch.given, batch._replace(frames=changed).given)
    assert not torch.equal(batch.given, batch.frames)


def test_a_prediction_never_sees_the_future():
    objective, batch = an_objective("prediction"), a_batch()
    for step in range(11):
        changed = batch.frames.clone()
        changed[:, step + 1 :] = 0.9
        found = objective.predictions(batch._replace(frames=changed))
        assert torch.equal(found[:, : step + 1], objective.predictions(batch)[:, : step + 1])
        assert not torch.equal(found[:, step + 1 :], objective.predictions(batch)[:, step + 1 :])


def test_each_frame_ahead_is_told_by_the_frame_so_far_before_it():
    objective, batch = an_objective("prediction"), a_batch()
    told, squares = objective.predictions(batch), []
    for row, length in enumerate(batch.lengths.tolist()):
        for index, ahead in enumerate((1, 3)):
            for step in range(length - ahead):
                errors = told[row, step, index] - batch.frames[row, step + ahead]
                squares += errors.square().tolist()
    assert objective(batch).item() == pytest.approx(np.mean(squares), rel=1e-5)


def test_rows_too_short_for_a_prediction_add_nothing():
    objective = an_objective("prediction")
    lengths = torch.tensor([1, 1, 1])
    loss = objective(a_batch()._replace(lengths=lengths))
    loss.backward()
    assert loss.item() == 0.0


def test_clusters_are_told_at_masked_frames_alone():
    hidden = torch.zeros((3, 12, 20), dtype=torch.bool)
    hidden[:, 4:6] = True
    hidden[0, :, 7:9] = True
    batch = a_batch(hidden)
    batch.frames[1, 5] = -1.0  # silence
    objective = an_objective("cluster-prediction")
    outputs, _ = objective.encoder.run(batch.given, batch.lengths)
    told = objective.own["telling"](outputs).log_softmax(dim=2)
    labels, wanted = objective.labels(batch.frames), []
    for row, step in ((0, 4), (0, 5), (1, 4), (2, 4), (2, 5)):
        wanted.append(-told[row, step, labels[row, step]].item())
    assert objective(batch).item() == pytest.approx(np.mean(wanted), rel=1e-5)
    nothing = batch._replace(hidden=torch.zeros_like(hidden))
    assert objective(nothing).item() == 0.0


def test_a_frames_cluster_is_the_nearest_to_its_patch_and_knows_nothing_of_what_follows():
    objective, batch = an_objective("cluster-prediction"), a_batch()
    labels, clusters = objective.labels(batch.frames), objective.clusters
    patch = batch.frames[0, 3:8].flatten()  # five frames, the newest is the seventh
    alike = clusters.atoms @ (clusters.whitening.T @ (patch - clusters.mean))
    assert labels[0, 7] == alike.argmax()
    changed = batch.frames.clone()
    changed[:, 8:] = 0.0
    assert torch.equal(objective.labels(changed)[:, :8], labels[:, :8])


def test_clusters_are_learnt_once_and_stay(tones, tmp_path):
    recipe = recipe_of("cluster-prediction", epochs=2)
    found = fit(recipe, tones, run=tmp_path)
    begun = build_objective(recipe, untrained_network(recipe))
    assert not np.array_equal(found.own_weights["clusters.atoms"], begun.clusters.atoms)
    one = fit(with_fit(recipe, epochs=1), tones, run=tmp_path / "one")
    for name in ("mean", "whitening", "atoms"):
        np.testing.assert_array_equal(
            one.own_weights[f"clusters.{name}"], found.own_weights[f"clusters.{name}"]
        )
    objective = build_objective(recipe, network_from(found))
    objective.own.load_state_dict(tensors_of(found.own_weights))
    frames = Batches(tones, recipe, found.levels).held_out(np.arange(10)).frames
    labels = objective.labels(frames)[:, 5:15]
    assert len(labels.unique()) > 1  # they tell sounds apart
    low, high = (
        labels[:5].flatten().bincount(minlength=6),
        labels[5:].flatten().bincount(minlength=6),
    )
    assert (low * high).sum() < 0.3 * (low.square().sum() * high.square().sum()).sqrt()


def test_silence_has_no_clusters(tmp_path):
    silent = replace(
        random_spectrograms(), values=np.full_like(random_spectrograms().values, -160.0)
    )
    with pytest.raises(SourceError, match="0 of 200 patches are not silent"):
        fit(recipe_of("cluster-prediction"), silent, run=tmp_path)


def test_nt_xent_is_what_it_is_by_hand():
    first = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    second = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    half = math.sqrt(0.5)
    # (cosine with the partner, with the two others) for 1a, 2a, 1b, 2b
    cosines = [(1.0, 0.0, half), (half, 0.0, 0.0), (1.0, 0.0, half), (half, half, half)]
    wanted = 0.0
    for partner, *others in cosines:
        powers = [math.exp(value / 0.5) for value in (partner, *others)]
        wanted -= math.log(powers[0] / sum(powers)) / 4
    assert nt_xent(first, second, 0.5).item() == pytest.approx(wanted, rel=1e-6)


def test_vicregs_terms_are_what_they_are_by_hand():
    first = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    second = torch.tensor([[0.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
    assert distance(first, second).item() == pytest.approx((0 + 1 + 0 + 0 + 4 + 0) / 6)
    # both values of the first view have variance 1, those of the second 1/3
    assert lack_of_deviation(first).item() == pytest.approx(0.0, abs=1e-6)
    assert lack_of_deviation(second).item() == pytest.approx(1 - math.sqrt(1 / 3 + 1e-4))
    # covariance ((-1)(-1) + 0 + (1)(0)) / 2 = 0.5, twice squared, by the width of 2
    assert redundancy(first).item() == pytest.approx(2 * 0.25 / 2)
    objective = an_objective("vicreg")
    wanted = 25 * distance(first, second) + redundancy(first) + redundancy(second)
    wanted += 25 * (lack_of_deviation(first) + lack_of_deviation(second))
    torch.testing.assert_close(objective.compared(first, second), wanted)


def test_byol_is_at_its_goal_where_nothing_is_left_to_tell():
    objective, batch = an_objective("byol"), a_batch(n_rows=2)
    views = Batch(*(part.repeat(2, *(1,) * (part.ndim - 1)) for part in batch[:2]), None, batch[3])
    assert objective(views).item() > 0.1  # the predictor is drawn, and tells something else
    objective.own["predictor"] = torch.nn.Identity()
    assert objective(views).item() == pytest.approx(0.0, abs=1e-5)


def test_byols_loss_is_what_it_is_by_hand():
    told, wanted = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[8.0, 6.0], [1.0, 0.0]])
    # (0.6, 0.8) and (0.8, 0.6); (0, 1) and (1, 0)
    assert distance_of_directions(told, wanted).item() == pytest.approx((0.08 + 2.0) / 2)
    objective, batch = an_objective("byol"), a_batch(n_rows=2)
    crops = torch.cat((batch.frames, batch.frames.flip(1) * 0.5))
    views = Batch(crops, batch.lengths.repeat(2), None, batch.n_frames * 2)
    found, answers = (
        values.detach() for values in (objective.told(views), objective.wanted(views))
    )
    unit = [values / values.norm(dim=1, keepdim=True) for values in (found, answers)]
    each = [(unit[0][row] - unit[1][(row + 2) % 4]).square().sum() for row in range(4)]
    torch.testing.assert_close(objective(views), sum(each) / 2)  # the mean over clips of both views


def target_of(objective):
    return {name: values.clone() for name, values in objective.own["target"].named_parameters()}


def test_no_gradient_reaches_byols_copy_and_every_other_weight_has_one():
    objective = an_objective("byol").train()
    before = target_of(objective)
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.1)
    objective(two_views()).backward()
    optimiser.step()
    gradients = {name: values.grad is not None for name, values in objective.named_parameters()}
    assert {name for name, has in gradients.items() if not has} == {
        f"own.target.{name}" for name in before
    }
    assert all(torch.equal(values, before[name]) for name, values in target_of(objective).items())


def two_views():
    both = [a_batch(seed=seed) for seed in (0, 1)]
    frames, lengths = (torch.cat(parts) for parts in list(zip(*both, strict=True))[:2])
    return Batch(frames, lengths, None, lengths.sum())


def test_byols_copy_begins_equal_and_follows_by_what_the_decay_leaves():
    objective = an_objective("byol").train()
    before = target_of(objective)
    online = {f"encoder.{name}": values for name, values in objective.encoder.named_parameters()}
    online |= {
        f"projection.{name}": values
        for name, values in objective.own["projection"].named_parameters()
    }
    assert before.keys() == online.keys()
    assert all(torch.equal(values, online[name]) for name, values in before.items())
    with torch.no_grad():
        for values in online.values():
            values.add_(1.0)
    for n_steps in (1, 2):
        objective.after_step()
        for name, values in target_of(objective).items():
            torch.testing.assert_close(
                values - before[name], torch.full_like(values, 1 - 0.9**n_steps)
            )


def test_each_step_of_the_loop_is_followed(tmp_path):
    recipe = recipe_of("byol", epochs=1, batch_size=7, validation_fraction=0.2)  # one step
    found = fit(recipe, random_spectrograms(), run=tmp_path)
    begun = build_objective(recipe, untrained_network(recipe))
    for name, values in target_of(begun).items():
        newest = (found.weights if name.startswith("encoder.") else found.own_weights)[name]
        assert not np.array_equal(newest, values)
        wanted = 0.9 * values.numpy() + 0.1 * newest
        np.testing.assert_allclose(found.own_weights[f"target.{name}"], wanted, atol=1e-6)


def test_spread_tells_a_collapse():
    assert spread(torch.ones((6, 4)) * torch.arange(1, 7)[:, None]) == pytest.approx(0.0, abs=1e-3)
    assert spread(torch.cat((torch.eye(4), -torch.eye(4)))) == pytest.approx(1.0)
    assert spread(torch.tensor([[1.0, 0.0], [0.0, 3.0]])) == pytest.approx(math.sqrt(0.5))


def test_embeddings_that_are_all_the_same_are_no_way_out():
    same_everywhere = torch.ones((6, 4))
    spread = torch.randn((6, 4), generator=torch.Generator().manual_seed(0))
    objective = an_objective("vicreg")
    assert objective.compared(same_everywhere, same_everywhere) > objective.compared(spread, spread)
    assert nt_xent(same_everywhere, same_everywhere, 0.1) > nt_xent(spread, spread, 0.1)


def test_both_views_of_a_clip_are_its_own_and_differ(tones):
    recipe = recipe_of("contrastive", augment={"crop": 0.5})
    batch = Batches(tones, recipe, (-90.0, -20.0)).training(np.arange(6), np.random.default_rng(0))
    first, second = batch.frames.chunk(2)
    assert len(first) == 6
    assert not torch.equal(first, second)
    pitch = [view.mean(dim=1).argmax(dim=1) for view in (first, second)]
    np.testing.assert_allclose(pitch[0], pitch[1], atol=1)  # the same tone


def test_reduced_precision_compares_views_in_full(tmp_path):
    found = fit(
        recipe_of("vicreg", precision="bf16-mixed", epochs=1), random_spectrograms(), run=tmp_path
    )
    assert {values.dtype for values in found.weights.values()} == {np.dtype(np.float32)}
    assert math.isfinite(found.losses[0][0])


@pytest.mark.parametrize("kind", ["vicreg", "byol"])
def test_tensorboard_names_the_loss_and_shows_no_reconstructions(kind, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = recipe_of(kind, tensorboard=True, epochs=1, validation_fraction=0.3)
    fit(recipe, random_spectrograms(), run=tmp_path)
    written = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = written.Tags()
    assert {f"{kind}/training", f"{kind}/validation", "embedding/mean"} <= set(tags["scalars"])
    assert 0.0 < written.Scalars(f"{kind}/spread")[0].value <= 1.0
    assert not tags["images"]


def test_one_held_out_clip_is_too_few_to_compare(tmp_path):
    recipe = recipe_of("contrastive", epochs=1, validation_fraction=0.2)  # one of eight
    assert fit(recipe, random_spectrograms(), run=tmp_path).losses[0][1] is None


def test_a_checkpoint_keeps_what_the_objective_adds_and_the_result_does_not(tmp_path):
    found = fit(recipe_of("prediction", epochs=1), random_spectrograms(), run=tmp_path)
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert same(kept.own_weights, found.own_weights)
    assert {name: values.shape for name, values in kept.own_weights.items()} == {
        "weight": (2 * 20, 21),
        "bias": (2 * 20,),
    }
    assert [name for name, _ in network_from(kept).named_children()] == ["encoder"]


def test_resuming_with_another_objective_or_augmentation_is_refused(tmp_path):
    fit(recipe_of("masked", epochs=1), random_spectrograms(), run=tmp_path)
    others = recipe_of("prediction", epochs=2), recipe_of("masked", augment={"mix": 0.1}, epochs=2)
    for other in others:
        with pytest.raises(ConfigurationError, match="begun with another recipe"):
            fit(other, random_spectrograms(), run=tmp_path, resume=True)


def test_batches_of_one_clip_are_refused_where_clips_are_compared(tmp_path):
    recipe = recipe_of("vicreg", batch_size=2, validation_fraction=0.4)  # five clips to train on
    with pytest.raises(ConfigurationError, match="compares clips, and there are batches of one"):
        fit(recipe, random_spectrograms(), run=tmp_path)


def test_a_search_by_rmse_is_refused_for_other_losses():
    space = parse_space({"fit.dropout": {"low": 0.0, "high": 0.5}})
    with pytest.raises(ConfigurationError, match="use --measure accuracy"):
        check_space(recipe_of("vicreg"), space, "rmse")
    check_space(recipe_of("vicreg"), space, "accuracy")


DICTIONARY = {"kind": "dictionary", "dictionaries": ({"atoms": 8, "components": 8},)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": {"kind": "guess"}}, "choose reconstruction, masked, prediction"),
        ({"objective": {"kind": "masked", "ahead_frames": (1,)}}, "unknown key"),
        ({"objective": {"kind": "prediction", "ahead_frames": (1, 1)}}, "names a frame twice"),
        ({"objective": {"kind": "prediction", "ahead_frames": (0,)}}, "greater than or equal to 1"),
        ({"objective": {"kind": "prediction", "ahead_frames": (24,)}}, "crops have 24 frames"),
        (
            {"objective": {"kind": "prediction"}, "model": {"bidirectional_encoder": True}},
            "has not seen what is to come",
        ),
        (
            {"objective": {"kind": "cluster-prediction", "frames": 1}},
            "components = 64, and patches have 20 values",
        ),
        (
            {"objective": {"kind": "cluster-prediction", "patches": 50}},
            "100 clusters cannot be learnt from 50 patches",
        ),
        ({"objective": {"kind": "contrastive", "temperature": 0.0}}, "temperature"),
        ({"objective": {"kind": "contrastive"}, "fit": {"batch_size": 1}}, "batch_size to 2"),
        ({"objective": {"kind": "masked"}, "fit": {"devices": 2}}, "runs on one device"),
        ({"objective": {"kind": "byol"}, "fit": {"devices": 2}}, "runs on one device"),
        ({"objective": {"kind": "byol", "decay": 1.0}}, "decay: Input should be less than 1"),
        (
            {"objective": {"kind": "vicreg", "invariance": 0, "variance": 0, "covariance": 0}},
            "nothing would be learnt",
        ),
        ({"objective": {"kind": "masked"}, "model": DICTIONARY}, "learnt without gradients"),
        ({"augment": {"mix": 0.2}, "model": DICTIONARY}, "only the gain_db of"),
        ({"augment": {"masks": {}}}, "reconstructed as if it were sound"),
        ({"objective": {"kind": "masked"}, "augment": {"masks": {}}}, "has masks of its own"),
        ({"augment": {"gain_db": 3.0}, "fit": {"gain_db": 6.0}}, "stands in .fit. and in"),
        ({"augment": {"source_rates_hz": (16000,)}}, "loses nothing in a front-end of 8000 Hz"),
        ({"augment": {"shift_bands": 20}}, "shift_bands = 20, and a frame has 20 bands"),
        ({"augment": {"crop": 0.0}}, "crop"),
        ({"augment": {"speed": 0.9}}, "speed: Input should be greater than or equal to 1"),
        (
            {"objective": {"kind": "masked", "masks": {"widest_bands": 40}}},
            "widest_bands = 40, and a frame has 20 bands",
        ),
        (
            {
                "objective": {
                    "kind": "masked",
                    "masks": {"frame_stretches": 0, "band_stretches": 0},
                }
            },
            "nothing is masked",
        ),
    ],
)
def test_nonsense_is_refused_in_one_line(changes, message):
    content = RECIPE.model_dump()
    content["fit"]["gain_db"] = 0.0
    for table, values in changes.items():
        whole = values if table in ("objective", "augment") or "kind" in values else None
        content[table] = whole or content[table] | values
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(content)
    said = describe(caught.value)
    assert "\n" not in said
    assert re.search(message, said), said
