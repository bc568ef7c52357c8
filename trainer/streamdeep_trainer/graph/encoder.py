"""The whole graph of an encoder. Not here: its metadata, and its proof (``modelfile``)."""

import onnx

from streamdeep.encoder.contract import EncoderContract
from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.cells import Ran, run_layers
from streamdeep_trainer.graph.frequency import write_frequency
from streamdeep_trainer.graph.patches import write_mark, write_patches
from streamdeep_trainer.graph.readouts import write_final, write_pooled
from streamdeep_trainer.graph.sums import last_step
from streamdeep_trainer.graph.weights import EncoderWeights


def write_encoder(weights: EncoderWeights, n_features: int) -> onnx.ModelProto:
    """The graph of the model file's contract, without metadata.

    Args:
        weights: see :class:`EncoderWeights`.
        n_features: width of a frame.

    Returns:
        ``frames (batch, time, features)``, ``state (batch, width)``, ``emit (k,)`` to ``state_out`` and
        ``embedding (k, dim)``; where layers run backwards, ``frames`` to ``embedding (batch, dim)``.
    """
    build = Builder()
    state, emit = ("state", "emit") if weights.incremental else (None, None)
    front = _write_front(build, weights, state)
    steps = front.outputs[-1]
    ran = Ran(front.outputs, [])
    if weights.layers:
        ran = run_layers(build, "layer", weights.layers, weights.backward_layers, steps, state)
    if weights.readout == "final":
        read = build.joined(ran.states, 1) if ran.states else last_step(build, steps)
        write_final(build, weights, read, emit)
        carried = [read, *front.states]
        if weights.patches is not None and state is not None:
            carried += write_mark(build, weights.patches, state, weights.recurrent_width)
    else:
        first = -1 - bool(weights.backward_layers) if weights.last_layer else 0
        outputs = build.joined(ran.outputs[first:], 2)
        pools = write_pooled(build, weights, outputs, state, emit)
        carried = [*ran.states, *front.states, *pools]
    frames = ("batch", "time", n_features)
    if not weights.incremental:
        return build.model("encoder", {"frames": frames}, {"embedding": ("batch", weights.dim)})
    build.node("Concat", *carried, axis=1, name="state_out")
    width = ("batch", weights.state_width)
    return build.model(
        "encoder",
        {"frames": frames, "state": width, "emit": ("k",)},
        {"state_out": width, "embedding": ("k", weights.dim)},
    )


def _write_front(build: Builder, weights: EncoderWeights, state: str | None) -> Ran:
    """What layers over time are given, ``(time, batch, width)``, or is read where there are none; and frames to be kept."""
    if weights.patches is not None:
        return write_patches(build, weights.patches, state, weights.recurrent_width)
    if weights.frequency is not None:
        return Ran([write_frequency(build, weights.frequency)], [])
    return Ran([build.node("Transpose", "frames", perm=[1, 0, 2])], [])


def encoder_contract(weights: EncoderWeights) -> EncoderContract:
    """What a model file says about this graph.

    ``cell`` is for people: the cell, behind ``frequency`` or ``frequency-time`` where frames go through a
    frequency encoder, with ``bidirectional`` in front where layers over time run backwards too, or ``stem``
    where patches stand before them. Of patches alone it is ``dictionary`` and their sizes, and the units are each
    one's atoms.
    """
    if weights.patches is not None and not weights.layers:
        return EncoderContract(
            cell=weights.patches.about,
            units=tuple(len(one.bias) for one in weights.patches.dictionaries),
            readout=weights.readout,
            dim=weights.dim,
            state_width=weights.state_width,
            incremental=weights.incremental,
        )
    layers = weights.layers
    words = ["bidirectional"] if weights.backward_layers else []
    if weights.patches is not None:
        words.append("stem")
    if weights.frequency is not None:
        words.append("frequency-time" if layers else "frequency")
        layers = layers or weights.frequency.layers
    return EncoderContract(
        cell="-".join([*words, layers[0].cell]),
        units=tuple(layer.units for layer in layers),
        readout=weights.readout,
        dim=weights.dim,
        state_width=weights.state_width,
        incremental=weights.incremental,
    )
