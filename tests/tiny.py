"""A small random model, so that tests of the engine need neither torch nor training."""

from functools import cache

import numpy as np

from streamdeep import onnxfile
from streamdeep.config import FixedLevel, FrontendConfig, SegmentConfig, View
from streamdeep.encoder.contract import Floats, LevelContract, StatisticsContract
from streamdeep.encoder.model import Model
from streamdeep_trainer.graph import (
    EncoderWeights,
    GruLayer,
    Projection,
    encoder_contract,
    write_encoder,
)
from streamdeep_trainer.modelfile import seal_model

RATE_HZ = 8000
FRONTEND = FrontendConfig(
    sample_rate_hz=RATE_HZ,
    hop_samples=160,
    views=(
        View(window_samples=320, n_bands=20, level=FixedLevel(floor_db=-100.0, ceiling_db=0.0)),
    ),
)
SEGMENT = SegmentConfig(length_frames=24, hop_frames=10)


def weights(readout="pooled", units=(12, 9), n_inputs=20, seed=0, whole=False):
    random = np.random.default_rng(seed)

    def draw(*shape):
        return random.uniform(-0.4, 0.4, shape).astype(np.float32)

    layers, width = [], n_inputs
    for size in units:
        layers.append(
            GruLayer(draw(3 * size, width), draw(3 * size, size), draw(3 * size), draw(3 * size))
        )
        width = size
    if readout == "final":
        return EncoderWeights(
            layers, "final", projection=Projection(draw(sum(units), 16), draw(16)), whole=whole
        )
    return EncoderWeights(layers, "pooled", unit_means=0.1 * draw(sum(units)), whole=whole)


@cache
def tiny_content(
    readout="pooled", frontend=FRONTEND, segment=SEGMENT, units=(12, 9), seed=0, level=None
):
    drawn = weights(readout, units, frontend.n_features, seed, whole=not frontend.causal)
    graph, encoder = write_encoder(drawn, frontend.n_features), encoder_contract(drawn)
    return seal_model(
        graph,
        frontend=frontend,
        segment=segment,
        encoder=encoder,
        level=level,
        provenance={"name": f"tiny-{readout}-{seed}"},
        statistics=statistics(encoder.dim, seed),
    )


def statistics(dim, seed=0):
    """Of no training: drawn, so that novelty is told."""
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.standard_normal((dim, 8)))
    return StatisticsContract(
        mean=Floats.of(random.uniform(-0.2, 0.2, dim)),
        axes=Floats.of(axes.T),
        centres=Floats.of(random.uniform(-0.5, 0.5, (3, 8))),
        mean_square=0.5,
        novelty_probabilities=(0.5, 0.9, 0.99),
        novelty_quantiles=(1.0, 1.5, 2.0),
    )


@cache
def tiny_model(
    readout="pooled", frontend=FRONTEND, segment=SEGMENT, units=(12, 9), seed=0, level=None
):
    content = tiny_content(readout, frontend, segment, units, seed, level)
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "tiny"), "tiny")
    model.prove()
    return model


LEVEL = LevelContract(dbfs_quantiles=(-45.0, -35.0, -30.0, -25.0, -15.0))
"""Of a model that says how loud its training was."""


def noise(n_samples, n_channels=1, seed=0):
    return (
        np.random.default_rng(seed).uniform(-0.5, 0.5, (n_samples, n_channels)).astype(np.float32)
    )
