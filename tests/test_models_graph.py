"""Every encoder's exported graph is torch's encoder, and keeps the promise of parity bit by bit."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from tiny import FRONTEND, SEGMENT

from streamdeep import onnxfile
from streamdeep.encoder.model import Model
from streamdeep_trainer.graph import encoder_contract, write_encoder
from streamdeep_trainer.modelfile import seal_model
from streamdeep_trainer.models.arrays import encoder_weights
from streamdeep_trainer.models.audeep_exact import ExactShape
from streamdeep_trainer.models.autoencoder import Shape
from streamdeep_trainer.models.frequency import FrequencyAutoencoderShape
from streamdeep_trainer.models.frequency_time import FrequencyTimeShape
from streamdeep_trainer.models.networks import build_network
from streamdeep_trainer.models.stem import StemShape
from streamdeep_trainer.models.windows import Windows

N_FEATURES = FRONTEND.n_features  # 20
WINDOWS = Windows((N_FEATURES,), width=8, overlap=4)
UNEVEN = Windows((N_FEATURES,), width=7, overlap=2, remainder="shift")
SMALL = {"units": (12, 9), "decoder_units": (5,), "dim": 16}

CAUSAL = {
    f"{cell} {readout}": Shape(N_FEATURES, cell=cell, readout=readout, **SMALL)
    for cell in ("gru", "gru-reset-before", "lstm", "minimal")
    for readout in ("final", "pooled", "attention")
}
CAUSAL |= {
    "stem final": Shape(N_FEATURES, readout="final", stem=StemShape(3, 7), **SMALL),
    "stem pooled": Shape(N_FEATURES, cell="lstm", stem=StemShape(5, 30), **SMALL),
    "stem attention": Shape(
        N_FEATURES, readout="attention", attention_heads=3, stem=StemShape(2, 7), **SMALL
    ),
    "stem minimal": Shape(N_FEATURES, cell="minimal", stem=StemShape(4, 7), **SMALL),
    "stem of one frame": Shape(N_FEATURES, readout="final", stem=StemShape(1, 7), **SMALL),
    "last pooled": Shape(N_FEATURES, readout_layers="last", **SMALL),
    "last attention": Shape(
        N_FEATURES, cell="minimal", readout="attention", readout_layers="last", **SMALL
    ),
    "f attention": FrequencyAutoencoderShape(WINDOWS, code=10, readout="attention"),
    "ft attention": FrequencyTimeShape(
        WINDOWS, (12,), (10, 7), readout="attention", readout_layers="last"
    ),
    "lstm wide": Shape(N_FEATURES, cell="lstm", readout="final", units=(64, 48, 16)),
    "reset-before wide": Shape(N_FEATURES, cell="gru-reset-before", units=(64, 48, 16)),
    "minimal wide": Shape(N_FEATURES, cell="minimal", units=(64, 48, 17)),
    "exact gru": ExactShape(N_FEATURES, layers=2, units=12, bidirectional_decoder=True),
    "exact lstm": ExactShape(N_FEATURES, layers=2, units=12, cell="lstm"),
    "f pooled": FrequencyAutoencoderShape(WINDOWS, units=(12, 9), code=10),
    "f final lstm": FrequencyAutoencoderShape(WINDOWS, code=6, readout="final", cell="lstm"),
    "f both ways": FrequencyAutoencoderShape(
        UNEVEN, units=(12, 9), cell="gru-reset-before", bidirectional_encoder=True
    ),
    "ft minimal": FrequencyTimeShape(
        WINDOWS, (12,), (10, 7), cell="minimal", bidirectional_frequency_encoder=True
    ),
    "ft pooled": FrequencyTimeShape(WINDOWS, (12,), (10, 7)),
    "ft final lstm": FrequencyTimeShape(UNEVEN, (6, 5), (10,), "final", cell="lstm"),
    "ft both ways": FrequencyTimeShape(
        WINDOWS, (12,), (10, 7), cell="gru-reset-before", bidirectional_frequency_encoder=True
    ),
}
WHOLE = {
    f"{cell} {readout}": Shape(
        N_FEATURES, cell=cell, readout=readout, bidirectional_encoder=True, **SMALL
    )
    for cell in ("gru", "gru-reset-before", "lstm", "minimal")
    for readout in ("final", "pooled", "attention")
}
WHOLE |= {
    "stem last": Shape(
        N_FEATURES,
        readout="attention",
        readout_layers="last",
        stem=StemShape(3, 7),
        bidirectional_encoder=True,
        **SMALL,
    ),
    "exact": ExactShape(N_FEATURES, layers=2, units=12, bidirectional_encoder=True),
    "ft": FrequencyTimeShape(WINDOWS, (12,), (10, 7), bidirectional_encoder=True),
}


@cache
def exported(name, whole=False):
    """A network's encoder, and the model file made of it, loaded."""
    torch.manual_seed(0)
    encoder = build_network((WHOLE if whole else CAUSAL)[name]).encoder.eval()
    if encoder.attention is not None:  # as drawn, all frames count almost alike
        encoder.attention.requires_grad_(False).weight.mul_(20.0)
    means = np.linspace(-0.1, 0.1, encoder.shape.n_outputs, dtype=np.float32)
    return encoder, *sealed(encoder_weights(encoder, means), name)


def sealed(weights, name, frontend=FRONTEND):
    """A graph made into a model file, and the file loaded as a user would."""
    content = seal_model(
        write_encoder(weights, frontend.n_features),
        frontend=frontend,
        segment=SEGMENT,
        encoder=encoder_contract(weights),
    )
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, name), name)
    model.prove()
    return model, content


def frames(n_rows, n_steps, seed=0):
    random = np.random.default_rng(seed)
    found = random.uniform(-1, 1, (n_rows, n_steps, N_FEATURES)).astype(np.float32)
    found[0] = -1.0  # silence
    return found


def in_chunks(model, rows, cut):
    state, at = model.fresh_state(len(rows)), 0
    everybody, nobody = np.arange(len(rows)), np.empty(0, dtype=np.int64)
    embeddings = None
    while at < rows.shape[1]:
        chunk = np.ascontiguousarray(rows[:, at : at + cut])
        at += cut
        state, embeddings = model.step(chunk, state, everybody if at >= rows.shape[1] else nobody)
    return embeddings


@pytest.mark.parametrize("name", CAUSAL)
def test_rows_steps_chunks_and_neighbours_are_bit_identical(name):
    _, model, _ = exported(name)
    assert model.incremental
    assert model.complaint is None
    rows = frames(67, 41)
    alone = np.concatenate([model.encode(row[None]) for row in rows[:9]])
    for n_rows in (1, 2, 3, 7, 64, 67):
        np.testing.assert_array_equal(model.encode(rows[:n_rows])[:9], alone[:n_rows])
    for cut in (1, 2, 5, 40):
        np.testing.assert_array_equal(in_chunks(model, rows[:9], cut), alone)
    np.testing.assert_array_equal(in_chunks(model, rows, 3)[:9], alone)


LARGE = {
    "exact gru": ExactShape(128, 2, 256, bidirectional_decoder=True),
    "exact lstm": ExactShape(128, 2, 256, cell="lstm", bidirectional_decoder=True),
    "lstm pooled": Shape(128, cell="lstm"),
    "minimal pooled": Shape(128, cell="minimal"),
    "attention": Shape(128, readout="attention"),
    "stem": Shape(128, readout="attention", readout_layers="last", stem=StemShape()),
    "f": FrequencyAutoencoderShape(Windows((128,)), code=64),
    "ft": FrequencyTimeShape(Windows((128,)), bidirectional_frequency_encoder=True),
}


@pytest.mark.parametrize("name", LARGE)
def test_networks_of_the_size_that_is_used_are_bit_identical_too(name):
    """Which kernel multiplies depends on the size; 20 bands and 12 units would not show it."""
    torch.manual_seed(0)
    encoder = build_network(LARGE[name]).encoder.eval()
    weights = encoder_weights(encoder, np.zeros(encoder.shape.n_outputs, np.float32))
    view = FRONTEND.views[0].model_copy(update={"n_bands": 128, "window_samples": 1600})
    model, _ = sealed(weights, name, FRONTEND.model_copy(update={"views": (view,)}))
    assert model.incremental
    assert model.complaint is None
    rows = np.random.default_rng(0).uniform(-1, 1, (255, 9, 128)).astype(np.float32)
    alone = np.concatenate([model.encode(row[None]) for row in rows[:5]])
    for n_rows in (2, 3, 16, 64, 255):
        np.testing.assert_array_equal(model.encode(rows[:n_rows])[:5], alone[:n_rows])
    for cut in (1, 4):
        np.testing.assert_array_equal(in_chunks(model, rows[:64], cut)[:5], alone)
    with torch.no_grad():
        wanted = encoder(torch.from_numpy(rows[:5]), torch.full((5,), 9)).numpy()
    assert np.abs(alone - wanted).max() < 1e-4


@pytest.mark.parametrize("name", ["f pooled", "gru pooled", "lstm pooled"])
def test_wide_sums_are_exact_where_outputs_stand_still_far_from_their_mean(name):
    """A thousand silent frames in a model whose training was loud: narrow sums are off by 1e-3."""
    encoder, _, _ = exported(name)
    means = np.full(encoder.shape.n_outputs, 0.9, dtype=np.float32)
    weights = replace(encoder_weights(encoder, means), wide_sums=True)
    model = sealed(weights, name)[0]
    rows = np.full((3, 1000, N_FEATURES), -1.0, dtype=np.float32)
    rows[2, ::7] = 1.0
    with torch.no_grad():
        wanted = encoder(torch.from_numpy(rows), torch.full((3,), 1000)).numpy()
    whole = model.encode(rows)
    assert np.abs(whole - wanted).max() < 1e-5
    for cut in (1, 13, 700):
        np.testing.assert_array_equal(in_chunks(model, rows, cut), whole)


@pytest.mark.parametrize("name", CAUSAL)
def test_emitting_again_from_the_state_before_the_last_frame_changes_nothing(name):
    _, model, _ = exported(name)
    rows, nobody = frames(4, 6), np.empty(0, dtype=np.int64)
    before, _ = model.step(np.ascontiguousarray(rows[:, :5]), model.fresh_state(4), nobody)
    last = np.ascontiguousarray(rows[:, 5:])
    after, some = model.step(last, before, np.array([2, 0]))
    again, none = model.step(last, before, nobody)
    np.testing.assert_array_equal(after, again)
    np.testing.assert_array_equal(some, model.encode(rows)[[2, 0]])
    assert none.shape == (0, model.contract.encoder.dim)


@pytest.mark.parametrize("name", WHOLE)
def test_a_model_that_needs_the_segments_end_says_so_and_is_still_batchable(name):
    _, model, _ = exported(name, whole=True)
    assert not model.incremental
    assert model.batchable
    assert model.complaint is None
    assert model.contract.encoder.state_width == 0
    rows = frames(67, 41)
    alone = np.concatenate([model.encode(row[None]) for row in rows[:9]])
    for n_rows in (2, 3, 7, 64, 67):
        np.testing.assert_array_equal(model.encode(rows[:n_rows])[:9], alone[:n_rows])


@pytest.mark.parametrize(
    ("name", "whole"), [*((name, False) for name in CAUSAL), *((name, True) for name in WHOLE)]
)
def test_the_graph_is_torch_for_any_length_and_batch(name, whole):
    encoder, model, _ = exported(name, whole)
    for n_steps in (1, 2, 7, 124):
        for n_rows in (1, 3, 64):
            rows = frames(n_rows, n_steps, seed=n_steps)
            with torch.no_grad():
                wanted = encoder(torch.from_numpy(rows), torch.full((n_rows,), n_steps)).numpy()
            assert np.abs(model.encode(rows) - wanted).max() < 1e-4


def test_every_allowed_operator_is_in_a_graph_that_is_proven_here():
    used = {
        node.op_type
        for name in CAUSAL
        for node in onnx.ModelProto.FromString(exported(name)[2]).graph.node
    }
    assert used == onnxfile.ENCODER_OPERATORS


@pytest.mark.parametrize(
    ("name", "whole", "cell", "units"),
    [
        ("gru-reset-before pooled", False, "gru-reset-before", (12, 9)),
        ("lstm final", False, "lstm", (12, 9)),
        ("lstm final", True, "bidirectional-lstm", (12, 9)),
        ("f pooled", False, "frequency-gru", (12, 9)),
        ("ft pooled", False, "frequency-time-gru", (10, 7)),
        ("stem attention", False, "stem-gru", (12, 9)),
        ("stem last", True, "bidirectional-stem-gru", (12, 9)),
    ],
)
def test_the_contract_says_what_the_network_is(name, whole, cell, units):
    encoder, model, _ = exported(name, whole)
    contract = model.contract.encoder
    assert (contract.cell, contract.units) == (cell, units)
    assert contract.dim == encoder.shape.embedding_dim
    assert contract.readout == encoder.shape.readout
