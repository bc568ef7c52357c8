"""An epoch of training, and bulk embedding, in times real time; on generated sound, so that no data set is needed."""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from time import perf_counter

import librosa
import numpy as np
import soundfile
import torch

from bench.measure import Rounds, in_rounds
from bench.networks import BANDS, UNITS, model_path
from bench.record import SEED, Part, Table
from bench.twin import Twin

RATE_HZ, CLIP_S, BATCH, N_FRAMES = 44100, 5, 32, 124
RECIPE = Path(__file__).parents[1] / "trainer" / "recipes" / "esc10.toml"


def write_clips(folder: Path, n_clips: int) -> list[Path]:
    """Noise through a moving tone's envelope, in two classes."""
    random, paths = np.random.default_rng(SEED), []
    time_s = np.arange(CLIP_S * RATE_HZ) / RATE_HZ
    for number in range(n_clips):
        kind = folder / f"class{number % 2}"
        kind.mkdir(exist_ok=True, parents=True)
        tone = np.sin(2 * np.pi * random.uniform(100, 4000) * time_s)
        sound = 0.1 * tone + random.normal(0, 0.03, len(time_s))
        paths.append(kind / f"clip{number:03d}.wav")
        soundfile.write(paths[-1], sound, RATE_HZ, subtype="PCM_16")
    return paths


class Training:
    """A run that goes on by one epoch whenever it is asked to, as `streamdeep-train fit --resume` does."""

    def __init__(self, folder: Path, clips: Path) -> None:
        from streamdeep_trainer.config import Recipe
        from streamdeep_trainer.datasets.layouts import find_clips
        from streamdeep_trainer.spectrograms import make_spectrograms

        settings = tomllib.loads(RECIPE.read_text())
        settings["fit"] |= {"epochs": 1, "batch_size": BATCH}
        self.recipe = Recipe.model_validate(settings)
        self.spectrograms = make_spectrograms(
            find_clips(clips, None), self.recipe.frontend.stored()
        )
        self.folder, self.n_epochs = folder, 0
        self.epoch()  # imports, first checkpoint

    def epoch(self) -> float:
        """Seconds of the next one."""
        from streamdeep_trainer.fit import fit

        self.n_epochs += 1
        fit_recipe = self.recipe.fit.model_copy(update={"epochs": self.n_epochs})
        recipe = self.recipe.model_copy(update={"fit": fit_recipe})
        began_s = perf_counter()
        fit(recipe, self.spectrograms, run=self.folder, resume=self.n_epochs > 1)
        return perf_counter() - began_s


class BareNetwork:
    """The products alone: torch's own GRUs of these sizes, forwards and backwards over batches of noise."""

    def __init__(self, n_clips: int) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(SEED)
        self.n_batches = max(1, round(n_clips / BATCH))
        self.encoder = torch.nn.GRU(BANDS, UNITS[0], len(UNITS), batch_first=True)
        self.decoder = torch.nn.GRU(BANDS, UNITS[0], len(UNITS), batch_first=True)
        self.frames = torch.rand(BATCH, N_FRAMES, BANDS)

    def epoch(self) -> float:
        began_s = perf_counter()
        for _ in range(self.n_batches):
            _, state = self.encoder(self.frames)
            outputs, _ = self.decoder(self.frames, state)
            outputs.square().mean().backward()
        return perf_counter() - began_s


def embed_by_command(clips: Path, out: Path) -> float:
    began_s = perf_counter()
    command = [sys.executable, "-m", "streamdeep", "embed", str(clips), "--out", str(out), "--json"]
    command += ["--model", str(model_path())]
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - began_s


def embed_in_process(paths: list[Path]) -> float:
    from streamdeep.cli.sound_files import embeddings_of
    from streamdeep.encoder.model import load_model

    model = load_model(model_path())
    began_s = perf_counter()
    for path in paths:
        list(embeddings_of(path, model, model.contract.segment.length_frames))
    return perf_counter() - began_s


def embed_with_peers(paths: list[Path], twin: Twin) -> float:
    """What a script would do: soundfile, librosa's log-Mel, torch's GRU."""
    began_s = perf_counter()
    with torch.inference_mode():
        for path in paths:
            sound, _ = soundfile.read(path, dtype="float32")
            power = librosa.feature.melspectrogram(
                y=sound, sr=RATE_HZ, n_fft=3528, hop_length=1764, n_mels=BANDS, center=False
            )
            frames = np.clip(librosa.power_to_db(power).T / 50 + 1, -1, 1).astype(np.float32)
            twin(torch.from_numpy(frames[None]))
    return perf_counter() - began_s


def run(quick: bool) -> dict:
    n_clips, n_rounds = (32, 1) if quick else (128, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_clips(folder / "clips", n_clips)
        (folder / "run").mkdir()
        training, bare = Training(folder / "run", folder / "clips"), BareNetwork(n_clips)
        bare.epoch()
        twin = Twin("pooled").eval()
        embed_with_peers(paths[:1], twin)
        embed_in_process(paths[:1])
        rounds = in_rounds(
            {
                "training": training.epoch,
                "bare network": bare.epoch,
                "command": lambda: embed_by_command(folder / "clips", folder / "x.npz"),
                "in process": lambda: embed_in_process(paths),
                "peers": lambda: embed_with_peers(paths, twin),
            },
            n_rounds=n_rounds,
        )
    return part(rounds, n_clips * CLIP_S).as_dict()


def part(rounds: Rounds, sound_s: float) -> Part:
    values = {
        "epoch_times_real_time": sound_s / rounds["training"].median,
        "epoch_over_bare": rounds.ratio("training", "bare network").median,
        "embed_times_real_time": sound_s / rounds["command"].median,
        "embed_in_process_times_real_time": sound_s / rounds["in process"].median,
        "peers_over_embed": rounds.ratio("peers", "in process").median,
    }

    def row(label: str, name: str, base: str) -> list:
        found = rounds[name]
        ratio = rounds.ratio(name, base)
        return [label, found.median, found.quartiles, sound_s / found.median, ratio.median]

    tables = [
        Table(
            "An epoch",
            "How much of a training's time the products take that no trainer of this network can do without.",
            ["", "s", "quartiles", "x real time", "x bare network"],
            [
                row("streamdeep-train, one epoch with checkpoint", "training", "bare network"),
                row("torch nn.GRU, forwards and backwards", "bare network", "bare network"),
            ],
        ),
        Table(
            "Bulk embedding",
            "How much faster than it sounds a collection is embedded; the command's row includes its start.",
            ["", "s", "quartiles", "x real time", "x in process"],
            [
                row("`streamdeep embed FOLDER`, a segment a second", "command", "in process"),
                row("the same pipeline in process, a segment per 5 s", "in process", "in process"),
                row("soundfile + librosa + torch nn.GRU, per 5 s", "peers", "in process"),
            ],
        ),
    ]
    return Part(
        "Training and bulk embedding",
        f"{sound_s:g} s of generated sound at 44.1 kHz in clips of {CLIP_S} s, one thread; the training is that of "
        f"`trainer/recipes/esc10.toml` with batches of {BATCH}.",
        values,
        tables,
        raw={"s": rounds.figures},
    )
