"""A model file, loaded and proven on this machine.

Loading checks the file (``onnxfile``), its contract, the shapes of the graph, and then runs the golden
signal: the frames and embeddings must be those the file states, and where the file promises to be
incremental, the same embedding must come out, bit for bit, whole, step by step, in ragged chunks and
between neighbours. About 40 ms for two layers of 256 and 5 s segments.
"""

from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep import onnxfile
from streamdeep.encoder.contract import FORMAT, METADATA_KEY, Contract
from streamdeep.encoder.golden import golden_signal
from streamdeep.errors import ModelError
from streamdeep.frontend import normalise
from streamdeep.frontend.logmel import log_mel
from streamdeep.providers import ProviderName

FRAME_TOLERANCE = 1e-4
EMBEDDING_TOLERANCE = 1e-3
EMBEDDING_COSINE = 0.9999
BATCH_SEGMENTS = 64
"""Whole segments that an accelerator is given at once."""
_NOBODY = np.empty(0, dtype=np.int64)


class Model:
    """An encoder that can be run.

    Attributes:
        contract: what the file says about itself.
        digest: SHA-256, 32 bytes; the model's identity.
        incremental: the state may be carried; the file promises it, and this machine keeps the promise.
        batchable: a row does not depend on its neighbours.
        complaint: why ``incremental`` or ``batchable`` is off although the file promises it, else None.
        provider: what runs it.
    """

    def __init__(
        self, file: onnxfile.OnnxFile, name: str, *, provider: ProviderName = "cpu"
    ) -> None:
        self.contract = onnxfile.parse_metadata(
            file.metadata, METADATA_KEY, Contract, name=name, newest=FORMAT
        )
        self.digest = file.digest
        self._name = name
        self._check_shapes(file)
        self._session = onnxfile.Session(file, name, provider=provider)
        self.provider = provider
        self.incremental = self.contract.encoder.incremental
        self.batchable = True
        self.complaint: str | None = None

    @property
    def short_digest(self) -> bytes:
        """The first 8 bytes of the digest, as the wire names a model."""
        return self.digest[:8]

    def _check_shapes(self, file: onnxfile.OnnxFile) -> None:
        n_features, encoder = self.contract.frontend.n_features, self.contract.encoder
        wanted_in: dict[str, tuple[int | None, ...]] = {"frames": (None, None, n_features)}
        wanted_out: dict[str, tuple[int | None, ...]] = {"embedding": (None, encoder.dim)}
        if encoder.incremental:
            wanted_in |= {"state": (None, encoder.state_width), "emit": (None,)}
            wanted_out |= {"state_out": (None, encoder.state_width)}
        for found, wanted, side in (
            (file.inputs, wanted_in, "inputs"),
            (file.outputs, wanted_out, "outputs"),
        ):
            if dict(found) != wanted:
                raise ModelError(
                    f"{self._name} has the {side} {dict(found)}; its contract says {wanted}"
                )

    def step(
        self, frames: NDArray[np.float32], state: NDArray[np.float32], emit: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advance some lanes by some frames.

        Args:
            frames: ``(batch, time, features)`` float32, both axes at least 1.
            state: ``(batch, state_width)`` float32; zeros open a segment.
            emit: ``(k,)`` int64, rows whose segment ends with the last frame; may be empty.

        Returns:
            The new state, and ``(k, dim)`` embeddings.
        """
        inputs: dict[str, NDArray[Any]] = {"frames": frames, "state": state, "emit": emit}
        state_out, embedding = self._session.run(("state_out", "embedding"), inputs)
        return state_out, embedding

    def encode(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode whole segments: ``(batch, time, features)`` to ``(batch, dim)``."""
        if not self.batchable and len(frames) > 1:
            return np.concatenate([self.encode(row[None]) for row in frames])
        if self.contract.encoder.incremental:
            rows = np.arange(len(frames), dtype=np.int64)
            return self.step(frames, self.fresh_state(len(frames)), rows)[1]
        return self._session.run(("embedding",), {"frames": frames})[0]

    def encode_each(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """As :meth:`encode`: one by one on the CPU, which is no faster in batches; in batches elsewhere."""
        at_once = BATCH_SEGMENTS if self.provider != "cpu" else 1
        return np.concatenate(
            [
                self.encode(np.ascontiguousarray(segments[first : first + at_once]))
                for first in range(0, len(segments), at_once)
            ]
        )

    def fresh_state(self, n_rows: int) -> NDArray[np.float32]:
        """``(n_rows, state_width)`` of zeros: segments that have seen nothing."""
        return np.zeros((n_rows, self.contract.encoder.state_width), dtype=np.float32)

    @cached_property
    def golden_frames(self) -> NDArray[np.float32]:
        """``(frames, features)`` of the golden signal, through this machine's front-end."""
        config = self.contract.frontend
        found = log_mel(golden_signal(self.contract.golden), config).values
        if config.causal:
            return np.asarray(found, dtype=np.float32)
        whole = normalise.segments(
            np.asarray(found, dtype=np.float64), np.array([0]), len(found), config
        )
        return np.ascontiguousarray(whole[0])

    def prove(self) -> None:
        """Run the golden signal; switch ``incremental`` or ``batchable`` off where parity fails.

        Raises:
            ModelError: frames or embeddings are not those that the file states.
        """
        frames, golden = self.golden_frames, self.contract.golden
        length = self.contract.segment.length_frames
        if len(frames) < length:
            raise ModelError(
                f"{self._name} has a golden signal of {len(frames)} frames; a segment has {length}"
            )
        probes = frames[[0, len(frames) // 2, len(frames) - 1]]
        if (
            golden.frames.shape != probes.shape
            or _distance(golden.frames.array(), probes) > FRAME_TOLERANCE
        ):
            raise ModelError(
                f"{self._name}: this machine's front-end does not make the frames that the model was trained on "
                f"(off by {_distance(golden.frames.array(), probes):.2g}); reinstall streamdeep"
            )
        ends = np.stack((frames[:length], frames[-length:]))
        found = np.concatenate([self.encode(row[None]) for row in ends])
        stated = golden.embeddings.array()
        if stated.shape != found.shape or not _alike(stated, found):
            raise ModelError(
                f"{self._name} does not give its own golden embeddings on this machine; do not use it"
            )
        self._prove_parity(ends, found)

    def _prove_parity(self, segments: NDArray[np.float32], alone: NDArray[np.float32]) -> None:
        neighbours = np.concatenate((segments, segments[:, ::-1], segments[:1]))
        if not np.array_equal(self.encode(np.ascontiguousarray(neighbours))[:2], alone):
            self.batchable = self.incremental = False
            self.complaint = (
                "a row depends on its neighbours on this machine; segments are encoded one by one"
            )
            return
        if not self.incremental:
            return
        for cuts in ((1,), (2, 7, 1, 29)):
            if not np.array_equal(self._in_chunks(segments, cuts), alone):
                self.incremental = False
                self.complaint = "carried state differs from whole segments on this machine; segments are encoded whole"
                return

    def _in_chunks(
        self, segments: NDArray[np.float32], cuts: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """Encode segments with the state carried over chunks of the given lengths, repeated."""
        state, at, turn = self.fresh_state(len(segments)), 0, 0
        length = segments.shape[1]
        while True:
            stop = min(length, at + cuts[turn % len(cuts)])
            emit = np.arange(len(segments), dtype=np.int64) if stop == length else _NOBODY
            state, embeddings = self.step(np.ascontiguousarray(segments[:, at:stop]), state, emit)
            if stop == length:
                return embeddings
            at, turn = stop, turn + 1


def _distance(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(np.abs(left - right).max()) if left.shape == right.shape else float("inf")


def _alike(stated: NDArray[np.float32], found: NDArray[np.float32]) -> bool:
    norms = np.linalg.norm(stated, axis=1) * np.linalg.norm(found, axis=1)
    cosines = (stated * found).sum(axis=1) / np.maximum(norms, 1e-30)
    return _distance(stated, found) <= EMBEDDING_TOLERANCE and bool(
        (cosines >= EMBEDDING_COSINE).all()
    )


def default_model_path() -> Path:
    """Where the embedded model lies."""
    return Path(str(resources.files("streamdeep") / "models" / "default.onnx"))


def load_model(path: Path | None = None, *, provider: ProviderName = "cpu") -> Model:
    """Load a model file and prove it.

    Args:
        path: the file; None takes the embedded model.
        provider: what runs it, and is proven with it.

    Raises:
        ModelError: see :func:`streamdeep.onnxfile.read` and :meth:`Model.prove`.
        MissingDependencyError: the provider is not there.
    """
    path = path or default_model_path()
    file = onnxfile.read(path, onnxfile.ENCODER_OPERATORS, kind=METADATA_KEY)
    model = Model(file, str(path), provider=provider)
    model.prove()
    return model
