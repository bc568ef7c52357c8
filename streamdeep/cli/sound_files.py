"""Which files of a folder are sound, and what embeddings a file has: the same pipeline as ``run``."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.encoder.model import BATCH_SEGMENTS, Model
from streamdeep.errors import SourceError
from streamdeep.frontend.gain import GainDb
from streamdeep.records import Embedding

SUFFIXES = frozenset(
    (
        ".wav .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .caf .w64 .rf64 .voc .snd .sdrec "
        ".m4a .aac .mka .webm .wma .wv"  # by FFmpeg
    ).split()
)


def sound_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The sound files and recordings among these paths and in these folders.

    Raises:
        SourceError: a folder holds none.
    """
    from streamdeep.recording.files import is_recording

    def is_sound(path: Path) -> bool:
        if path.is_dir():
            return is_recording(path)
        # The files of a recording are no sound of their own.
        return path.suffix.lower() in SUFFIXES and path.is_file() and not is_recording(path.parent)

    for path in paths:
        if not path.is_dir() or is_recording(path):
            yield path
            continue
        found = sorted(
            file
            for file in path.rglob("*")
            if is_sound(file)
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not found:
            raise SourceError(
                f"the folder {path} holds no sound files ({' '.join(sorted(SUFFIXES))})"
            )
        yield from found


def embeddings_of(
    path: Path,
    model: Model,
    hop_frames: int | None,
    selection: Selection = EVERY_CHANNEL,
    gain_db: GainDb | None = None,
) -> list[Embedding]:
    """Embeddings of one file or recording, in order.

    Args:
        path: a file or a recording.
        model: the encoder.
        hop_frames: frames between segments; None takes the model's default.
        selection: the channels to hear.
        gain_db: how much louder it is made; None takes what a recording was heard with, and 0 for a file.

    Raises:
        SourceError: it cannot be read, lacks a selected channel, or is shorter than one frame.
    """
    from streamdeep.intake.opening import open_sound
    from streamdeep.pipeline import Pipeline
    from streamdeep.recording.reader import Recording

    with open_sound(path, selection) as file:
        if gain_db is None:
            gain_db = file.about.gain_db if isinstance(file, Recording) else 0.0
        pipeline = Pipeline(
            model, file.sample_rate_hz, file.n_channels, hop_frames=hop_frames, gain_db=gain_db
        )
        if model.provider == "cpu":
            blocks = file.blocks()
        else:
            batch = BATCH_SEGMENTS * pipeline.segment.hop_frames
            hop_s = model.contract.frontend.hop_samples / model.contract.frontend.sample_rate_hz
            blocks = file.blocks(int(batch * hop_s * file.sample_rate_hz))
        found = [embedding for block in blocks for embedding in pipeline.push(block)]
        found += pipeline.flush()
        if not found:
            frontend = model.contract.frontend
            raise SourceError(
                f"{path} has {1000 * pipeline.ledger().captured / file.sample_rate_hz:.0f} ms of sound; the model "
                f"needs {1000 * frontend.longest_window_samples / frontend.sample_rate_hz:.0f} ms for one frame"
            )
    return found
