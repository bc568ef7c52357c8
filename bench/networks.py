"""The network that all parts run, which the goals were set for: two GRU layers of 256 on 128 bands.

The weights are drawn, not trained: time does not depend on them. Its statistics are drawn too, so that embeddings get
their novelty. Not here: the same in torch (``twin``).
"""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from bench.record import SEED
from streamdeep import onnxfile
from streamdeep.config import FrontendConfig, SegmentConfig
from streamdeep.encoder.contract import Floats, StatisticsContract
from streamdeep.encoder.model import Model
from streamdeep_trainer.graph import (
    EncoderWeights,
    GruLayer,
    Projection,
    encoder_contract,
    write_encoder,
)
from streamdeep_trainer.modelfile import seal_model

UNITS, BANDS, DIM = (256, 256), 128, 512
HOP_FRAMES_PER_S = 25
FRONTEND = FrontendConfig()
"""44.1 kHz, windows of 80 ms every 40 ms, 128 bands."""


def multiply_adds() -> int:
    """Of both GRU layers, for one frame of one row."""
    widths = (BANDS, *UNITS)
    return sum(3 * n * (before + n) for before, n in zip(widths, UNITS, strict=False))


@cache
def weights(readout: str) -> EncoderWeights:
    """Drawn as torch draws a GRU's, the same for both readouts."""
    random = np.random.default_rng(SEED)

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-1 / 16, 1 / 16, shape).astype(np.float32)

    layers, width = [], BANDS
    for n in UNITS:
        layers.append(GruLayer(draw(3 * n, width), draw(3 * n, n), draw(3 * n), draw(3 * n)))
        width = n
    if readout == "final":
        return EncoderWeights(
            layers, "final", projection=Projection(draw(sum(UNITS), DIM), draw(DIM))
        )
    return EncoderWeights(layers, "pooled", unit_means=np.zeros(sum(UNITS), np.float32))


def statistics(dim: int) -> StatisticsContract:
    """As large as those of a trained model."""
    random = np.random.default_rng(SEED)
    axes, _ = np.linalg.qr(random.standard_normal((dim, 32)))
    return StatisticsContract(
        mean=Floats.of(np.zeros(dim)),
        axes=Floats.of(axes.T),
        centres=Floats.of(random.standard_normal((32, 32))),
        mean_square=1.0,
        novelty_probabilities=(0.5, 0.99),
        novelty_quantiles=(1.0, 2.0),
    )


@cache
def content(readout: str) -> bytes:
    """A model file's bytes, proven on this machine."""
    drawn = weights(readout)
    return seal_model(
        write_encoder(drawn, BANDS),
        frontend=FRONTEND,
        segment=SegmentConfig(length_frames=124, hop_frames=124),
        encoder=encoder_contract(drawn),
        statistics=statistics(drawn.dim),
    )


@cache
def folder() -> tempfile.TemporaryDirectory:
    """Gone when the program ends."""
    return tempfile.TemporaryDirectory(prefix="streamdeep-bench-")


@cache
def model_path() -> Path:
    """The model as a file, for programs of their own."""
    found = Path(folder().name) / "pooled.onnx"
    onnxfile.write(found, content("pooled"))
    return found


@cache
def model(readout: str) -> Model:
    """The model as an engine loads it: one thread."""
    name = f"bench-{readout}"
    return Model(onnxfile.check(content(readout), onnxfile.ENCODER_OPERATORS, name), name)
