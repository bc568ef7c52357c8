"""What a model file says about itself: ``metadata_props["streamdeep"]``, format 1.

Unknown keys are refused, except under ``provenance`` and ``extensions``: a reader that overlooks a key
would compute something else than the writer meant. Not here: the graph, and whether the file is whole.
"""

import base64
import math
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streamdeep.config import FrontendConfig, SegmentConfig, Strict
from streamdeep.onnxfile import ENCODER_KEY

METADATA_KEY = ENCODER_KEY
FORMAT = 1


class Floats(Strict):
    """An array as base64 of little-endian float32.

    Attributes:
        shape: its axes.
        base64: its values, last axis fastest.
    """

    shape: tuple[int, ...]
    base64: str

    @classmethod
    def of(cls, values: NDArray[Any]) -> Self:
        """Pack an array; values are rounded to float32."""
        little = np.ascontiguousarray(values, dtype="<f4")
        return cls(shape=little.shape, base64=base64.b64encode(little.tobytes()).decode())

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.base64) * 3 // 4 - self.base64[-2:].count("=") != 4 * int(np.prod(self.shape)):
            raise ValueError(
                f"{len(self.base64)} base64 digits do not hold float32 of shape {self.shape}"
            )
        return self

    def array(self) -> NDArray[np.float32]:
        """The array, writable, in the machine's byte order."""
        values = np.frombuffer(base64.b64decode(self.base64), dtype="<f4")
        return values.reshape(self.shape).astype(np.float32)


class EncoderContract(Strict):
    """The shape of the network.

    Attributes:
        cell: recurrent cell, for people; the graph is what counts.
        units: units of each layer.
        readout: ``final`` state, running ``pooled`` statistics of the outputs, or ``attention``: the same of frames
            that count more or less.
        dim: length of an embedding.
        state_width: floats carried per lane; 0 where not incremental.
        incremental: the graph takes frames in any cut and carries its state.
    """

    cell: str
    units: tuple[int, ...]
    readout: Literal["final", "pooled", "attention"]
    dim: int = Field(ge=1, le=65536)
    state_width: int = Field(ge=0, le=1 << 20)
    incremental: bool


class LevelContract(Strict):
    """How loud the training data was, to compare a live microphone with.

    Attributes:
        dbfs_quantiles: 5, 25, 50, 75 and 95 % quantiles of the segments' level in dBFS (mean square).
    """

    dbfs_quantiles: tuple[float, float, float, float, float]


class _OneMean(Strict):
    """The statistics of older files: variances along the axes, and the mean one along all other directions."""

    mean: Floats
    axes: Floats
    variances: Floats
    residual_variance: float
    novelty_probabilities: tuple[float, ...]
    novelty_quantiles: tuple[float, ...]


class StatisticsContract(Strict):
    """Where the training embeddings lie.

    Attributes:
        mean: ``(dim,)``.
        axes: ``(axes, dim)``, the first principal axes, unit length.
        centres: ``(centres, axes)``, of clusters of the training embeddings: coordinates along the axes, from the mean.
        mean_square: mean squared distance of a training embedding to the nearest centre.
        novelty_probabilities: levels of the quantiles below.
        novelty_quantiles: quantiles of the novelty score over training data that the statistics had not seen
            (older files: that they had, so that they are too small for new sound).
    """

    mean: Floats
    axes: Floats
    centres: Floats
    mean_square: float = Field(gt=0.0, allow_inf_nan=False)
    novelty_probabilities: tuple[float, ...] = Field(max_length=64)
    novelty_quantiles: tuple[float, ...]

    @model_validator(mode="before")
    @classmethod
    def _of_one_mean(cls, found: Any) -> Any:
        """Files from before there were centres: their mean is the only one, and their quantiles were of another score."""
        if not isinstance(found, dict) or "centres" in found or "variances" not in found:
            return found
        old = _OneMean.model_validate(found)
        n_axes, dim = (*old.axes.shape, 0, 0)[:2]
        outside = (dim - n_axes) * old.residual_variance
        return {
            "mean": old.mean,
            "axes": old.axes,
            "centres": Floats.of(np.zeros((1, n_axes))),
            "mean_square": float(old.variances.array().sum()) + outside,
            "novelty_probabilities": (),
            "novelty_quantiles": (),
        }

    @model_validator(mode="after")
    def _whole(self) -> Self:
        dim, (n_centres, n_axes) = self.mean.shape[-1], (*self.centres.shape, 0, 0)[:2]
        shapes = self.mean.shape, self.axes.shape, self.centres.shape
        if shapes != ((dim,), (n_axes, dim), (n_centres, n_axes)) or n_centres < 1:
            raise ValueError(f"mean, axes and centres have the shapes {shapes}")
        inner = (0.0, *self.novelty_probabilities, 1.0)
        if any(low >= high for low, high in pairwise(inner)):
            raise ValueError("novelty_probabilities must rise between 0 and 1")
        if len(self.novelty_quantiles) != len(self.novelty_probabilities) or any(
            not low <= high < math.inf for low, high in pairwise((0.0, *self.novelty_quantiles))
        ):
            raise ValueError("novelty_quantiles must be as many as their levels and never fall")
        return self


class GoldenContract(Strict):
    """What the golden signal (``encoder.golden``) must become.

    Attributes:
        seed: of the signal.
        n_samples: length at the model's rate; at least one segment.
        n_channels: channels; channel c is seeded with ``seed + c``.
        amplitude: full scale ±1.
        silence_start_sample: a stretch of zeros begins here.
        silence_samples: length of the zeros.
        frames: ``(3, features)``, the first, middle and last frame; within 1e-4.
        embeddings: ``(2, dim)``, of the first and the last full segment of frames; within 1e-3, cosine 0.9999.
    """

    seed: int
    n_samples: int = Field(ge=1, le=1 << 26)
    n_channels: int = Field(ge=1, le=2)
    amplitude: float
    silence_start_sample: int
    silence_samples: int
    frames: Floats
    embeddings: Floats


class Contract(Strict):
    """Everything that a model file says about itself.

    Attributes:
        format: 1.
        frontend: from samples to frames.
        resampler: soxr's quality, for sources of another rate.
        segment: frames per embedding, and the default hop.
        encoder: the network.
        level: loudness of the training data.
        provenance: data, seed, epochs, losses, versions; free.
        statistics: where the training embeddings lie.
        projection: ``(2, dim)``, to draw maps on which places stay put.
        golden: the proof.
        decoder: SHA-256 of the file with the decoder, in hex.
        extensions: free.
    """

    format: Literal[1]
    frontend: FrontendConfig
    resampler: Literal["HQ", "VHQ", "MQ", "LQ"] = "HQ"
    segment: SegmentConfig
    encoder: EncoderContract
    level: LevelContract | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)
    statistics: StatisticsContract | None = None
    projection: Floats | None = None
    golden: GoldenContract
    decoder: str | None = None
    extensions: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.encoder.incremental and not self.frontend.causal:
            raise ValueError(
                "frames that need the whole segment cannot feed an incremental encoder"
            )
        if self.statistics is not None and self.statistics.mean.shape != (self.encoder.dim,):
            raise ValueError("the statistics are of embeddings of another length")
        return self

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.provenance.get("name", "unnamed"))
