"""What can be set of each system of others; records alone, so that naming one imports neither torch nor scikit-learn.

The defaults are the papers', except where a comment says else. What they mean is told where they are used.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from streamdeep.config import Strict

Count = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]


class FrameMlpSettings(Strict):
    """Of ``frame_mlp``.

    Attributes:
        context_frames: consecutive frames that make one input, as many before the frame as after it, or one more after it.
        units: of each hidden layer.
        dropout: share of a hidden layer's outputs that is dropped while learning.
        epochs: at most.
        batch_size: frames per step.
        learning_rate: Adam's.
        validation_share: of the training clips of each class, not learnt from, to stop by.
        patience: stop when so many epochs in a row have brought no more right frames there.
        least_gain: of the share of right frames, that counts as more.
    """

    context_frames: Annotated[int, Field(ge=1, le=101)] = 5
    units: Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)] = (50, 50)
    dropout: Share = 0.2
    epochs: Count = 200
    batch_size: Count = 256
    learning_rate: Rate = 1e-3
    validation_share: Share = 0.1
    patience: Count = 10
    least_gain: Share = 1e-3


class SegmentCnnSettings(Strict):
    """Of ``segment_cnn``.

    Attributes:
        segment_frames: length of a segment.
        hop_frames: between segments of a clip.
        silence_db: a segment whose mean lies further below its clip's loudest value than this is left out.
        floor_db: values further below their clip's loudest are set to it.
        filters: of both convolutional layers.
        units: of both dense layers.
        dropout: behind the first pooling, and in front of the last two layers.
        epochs: of training; all of them.
        batch_size: segments per step.
        learning_rate: of stochastic gradient descent with Nesterov's momentum of 0.9.
        weight_decay: added to the loss, times the squared weights.
    """

    segment_frames: Annotated[int, Field(ge=20, le=1000)] = 41
    hop_frames: Count = 20
    silence_db: Annotated[float, Field(lt=0.0)] = -80.0
    floor_db: Annotated[float, Field(lt=0.0)] = -80.0
    filters: Count = 80
    units: Count = 5000
    dropout: Share = 0.5
    epochs: Count = 300
    batch_size: Count = 1000
    learning_rate: Rate = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-3


class SparseCodingSettings(Strict):
    """Of ``sparse_coding``.

    Attributes:
        atoms: of the dictionary; more than bands make it overcomplete.
        nonzero: atoms that one frame is made of.
        sparsity: weight of the sum of magnitudes while the dictionary is learnt.
        frames: that the dictionary is learnt from, drawn from all that may be heard.
        passes: over these.
    """

    atoms: Annotated[int, Field(ge=1, le=8192)] = 512
    nonzero: Annotated[int, Field(ge=1, le=256)] = 8
    sparsity: Annotated[float, Field(gt=0.0)] = 1.0
    frames: Annotated[int, Field(ge=1, le=10_000_000)] = 20_000
    passes: Count = 1


class DcganSettings(Strict):
    """Of ``dcgan``.

    Attributes:
        side: of the square pictures that segments become.
        channels: of the discriminator's first layer; every further one has twice as many.
        noise: length of what the generator is given.
        epochs: of training; with none the weights stay as they were drawn.
        batch_size: pictures per step.
        learning_rate: Adam's, with a first moment of 0.5.
    """

    side: Literal[16, 32, 64, 128] = 64
    channels: Annotated[int, Field(ge=1, le=256)] = 16
    noise: Count = 100
    epochs: Annotated[int, Field(ge=0, le=100_000)] = 30
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 64
    learning_rate: Rate = 2e-4


class ModelFileSettings(Strict):
    """Of a model file that is used as it is.

    Attributes:
        file: where it lies, from the folder in which the command is called; the embedded model if not given.
    """

    file: Path | None = None


class ForeignSettings(Strict):
    """Of ``foreign``.

    Attributes:
        file: an ONNX network; where, from the folder in which the command is called.
        sample_rate_hz: that it wants, if it takes samples. Where a recipe is given it takes frames, and these three
            are the recipe's.
        segment_s: of sound for one vector.
        hop_s: between segments.
        output: name of its output; may be left out where there is one.
    """

    file: Path
    sample_rate_hz: Annotated[int, Field(ge=1000, le=768_000)] = 22050
    segment_s: Annotated[float, Field(gt=0.0, le=600.0)] = 5.0
    hop_s: Annotated[float, Field(gt=0.0, le=600.0)] = 5.0
    output: str | None = None
