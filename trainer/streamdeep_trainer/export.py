"""From a checkpoint to a model file: weights, what the training data looks like, and the proofs.

Nothing is written unless ONNX Runtime gives what torch gives, for lengths and batches that neither has
seen before, and unless the parity promise holds (``modelfile``). Not here: the graph (``graph``).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamdeep import onnxfile
from streamdeep.encoder.model import Model
from streamdeep_trainer.agreement import check_against_torch
from streamdeep_trainer.building import untrained_network
from streamdeep_trainer.checkpoint import Checkpoint, network_from, tensors_of, weights_of
from streamdeep_trainer.deviation import weights_provenance
from streamdeep_trainer.encoding import encode_segments
from streamdeep_trainer.graph import (
    Scaling,
    WeightKind,
    encoder_contract,
    narrow,
    write_encoder,
)
from streamdeep_trainer.levels import input_of
from streamdeep_trainer.model_recipe import ModelRecipe
from streamdeep_trainer.modelfile import seal_model
from streamdeep_trainer.models.arrays import encoder_weights, needs_unit_means
from streamdeep_trainer.models.encoder import Encoder
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.progress import track
from streamdeep_trainer.spans import segment_spans
from streamdeep_trainer.spectrograms import Spectrograms
from streamdeep_trainer.statistics import describe_embeddings, describe_levels, groups_of

_CAME_LATER = ("readout_layers", "attention_heads", "stem")
SMALLEST_DEVIATION = 0.01
"""What a value is divided by at least when embeddings are scaled: one that hardly moves says little."""


@dataclass(frozen=True, slots=True, eq=False)
class _Segments:
    """Every segment of the training clips, as the engine would cut them.

    Attributes:
        frames: a list of ``(time, features)`` float32 in [-1, 1].
        energies: ``(segments,)`` float64, mean square; None where the loudness is not known.
        groups: ``(segments,)`` int64, see :func:`groups_of`.
    """

    frames: list[NDArray[np.float32]]
    energies: NDArray[np.float64] | None
    groups: NDArray[np.int64]


def export_model(
    checkpoint: Checkpoint,
    spectrograms: Spectrograms,
    *,
    untrained: bool = False,
    kind: WeightKind = "fp32",
) -> bytes:
    """Make a model file.

    Args:
        checkpoint: of the run.
        spectrograms: the clips it was trained on; statistics are theirs.
        untrained: the weights that training began with instead: the twin to compare with. Everything
            else, levels and unit means included, is made in the same way.
        kind: how weights are stored; what they are compared with is the float32 graph, which in turn is
            compared with torch. Golden embeddings and statistics are the small model's own.

    Returns:
        The bytes of a model file that has proven itself on this machine.

    Raises:
        ModelError: torch and ONNX Runtime differ (``agreement``), or the parity promise is broken.
    """
    checkpoint = checkpoint.chosen()
    network = network_from(checkpoint)
    if untrained:
        network.load_state_dict(tensors_of(weights_of(untrained_network(checkpoint.recipe))))
    encoder = network.encoder.eval()
    recipe = checkpoint.recipe
    frontend = recipe.frontend.config(*checkpoint.levels)
    segment = recipe.segment.config(frontend)
    segments = _segments(checkpoint, spectrograms)
    means = _unit_means(encoder, segments) if needs_unit_means(encoder) else None
    weights = encoder_weights(encoder, means, whole=not frontend.causal)
    graph = write_encoder(weights, frontend.n_features)
    contract = encoder_contract(weights)
    draft = _load(seal_model(graph, frontend=frontend, segment=segment, encoder=contract))
    check_against_torch(draft, encoder)
    if encoder.shape.scaled:
        scaling = scaling_of(encode_segments(draft, segments.frames))
        graph = write_encoder(replace(weights, scaling=scaling), frontend.n_features)
        draft = _load(seal_model(graph, frontend=frontend, segment=segment, encoder=contract))
        check_against_torch(draft, encoder, scaling)
    provenance = _provenance(checkpoint, spectrograms, len(segments.frames), untrained=untrained)
    if kind != "fp32":
        graph, full = narrow(graph, kind), draft
        draft = _load(seal_model(graph, frontend=frontend, segment=segment, encoder=contract))
        provenance["weights"] = weights_provenance(draft, full, kind)
    statistics, projection = describe_embeddings(
        encode_segments(draft, segments.frames), segments.groups
    )
    return seal_model(
        graph,
        frontend=frontend,
        segment=segment,
        encoder=contract,
        level=None if segments.energies is None else describe_levels(segments.energies),
        provenance=provenance,
        statistics=statistics,
        projection=projection,
    )


def scaling_of(embeddings: NDArray[np.float32]) -> Scaling:
    """Mean and deviation of ``(segments, dim)`` embeddings, value by value."""
    exact = embeddings.astype(np.float64)
    deviation = np.maximum(exact.std(axis=0), SMALLEST_DEVIATION)
    return Scaling(exact.mean(axis=0).astype(np.float32), deviation.astype(np.float32))


def _segments(checkpoint: Checkpoint, spectrograms: Spectrograms) -> _Segments:
    segment = checkpoint.recipe.segment.config(spectrograms.frontend)
    frames, energies, groups = [], [], []
    numbers = groups_of(spectrograms.clips)
    for start, length, group in zip(
        spectrograms.starts, spectrograms.lengths, numbers, strict=True
    ):
        for first, last in segment_spans(int(length), segment):
            rows = slice(start + first, start + last)
            frames.append(
                input_of(spectrograms, rows, checkpoint.levels, checkpoint.recipe.frontend)
            )
            groups.append(group)
            if spectrograms.energies is not None:
                energies.append(float(spectrograms.energies[rows].mean()))
    return _Segments(
        frames,
        None if spectrograms.energies is None else np.array(energies),
        np.array(groups, dtype=np.int64),
    )


def _unit_means(encoder: Encoder, segments: _Segments) -> NDArray[np.float32]:
    """``(units,)``, each unit's mean output over all frames of all segments."""
    total = np.zeros(encoder.shape.n_outputs)
    with torch.no_grad():
        for frames in track(segments.frames, len(segments.frames), "unit means"):
            total += encoder.outputs(torch.from_numpy(frames[None]))[0].sum(dim=0).double().numpy()
    n_frames = sum(len(frames) for frames in segments.frames)
    return (total / n_frames).astype(np.float32)


def _provenance(
    checkpoint: Checkpoint, spectrograms: Spectrograms, n_segments: int, *, untrained: bool
) -> dict[str, Any]:
    recipe = checkpoint.recipe
    return {
        "name": f"{recipe.model.name}-untrained" if untrained else recipe.model.name,
        "data": recipe.data,
        "licence": recipe.licence,
        "n_clips": len({clip.filename for clip in spectrograms.clips}),
        "n_skipped": len(spectrograms.skipped),
        "n_segments": n_segments,
        "n_held_out": len(checkpoint.held_out),
        "seed": recipe.fit.seed,
        "epochs": 0 if untrained else checkpoint.n_epochs,
        "losses": [] if untrained else [list(pair) for pair in checkpoint.losses],
        # How the model is judged afterwards does not belong to what it is.
        "recipe": recipe.model_dump(
            mode="json",
            exclude={"evaluate": True, "head": True, "model": _unused(recipe.model)},
        ),
        "versions": versions(),
    }


def _unused(model: ModelRecipe) -> set[str]:
    """Keys that came later, where they stand at their defaults: files of recipes without them keep their bytes."""
    fields = type(model).model_fields
    return {
        key
        for key in _CAME_LATER
        if key in fields and getattr(model, key) == fields[key].get_default()
    }


def _load(content: bytes) -> Model:
    name = "the new model"
    return Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, name), name)
