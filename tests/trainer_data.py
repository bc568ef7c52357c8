"""A tiny data set of generated sound and a recipe to go with it: two classes that differ in pitch."""

from functools import cache

import numpy as np
import soundfile

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.spectrograms import Spectrograms, make_spectrograms

RATE_HZ = 8000
RECIPE = Recipe.model_validate(
    {
        "data": "generated tones",
        "frontend": {"sample_rate_hz": RATE_HZ, "window_s": 0.04, "hop_s": 0.02, "bands": 20},
        "segment": {"length_s": 0.5, "hop_s": 0.2},
        "model": {"name": "tiny", "units": (12, 9), "dim": 7, "decoder_units": (10,)},
        "fit": {"epochs": 2, "batch_size": 4, "gain_db": 6.0, "validation_fraction": 0.2},
        "evaluate": {"c_grid": (0.01, 0.1), "n_folds": 2},
        "head": {"c_grid": (0.01, 0.1), "conditions": ("gain:-10dB",)},
    }
)


def with_fit(recipe=RECIPE, **changes):
    return recipe.model_copy(update={"fit": recipe.fit.model_copy(update=changes)})


def with_model(recipe=RECIPE, **changes):
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=changes)})


def write_tones(folder, *, n_clips=5, esc=False):
    """Two classes: 300 and 1500 Hz in noise, 0.4 to 1.1 s long."""
    random = np.random.default_rng(0)
    for number, (name, pitch_hz) in enumerate((("low", 300.0), ("high", 1500.0)), start=1):
        place = folder / (f"{number:03d} - {name}" if esc else name)
        place.mkdir(parents=True)
        for index in range(n_clips):
            time_s = np.arange(int(RATE_HZ * random.uniform(0.4, 1.1))) / RATE_HZ
            tone = 0.2 * np.sin(2 * np.pi * pitch_hz * random.uniform(0.9, 1.1) * time_s)
            samples = tone + 0.02 * random.standard_normal(len(time_s))
            file = f"{index % 2 + 1}-{index}-A.wav" if esc else f"{index}.wav"
            soundfile.write(place / file, samples, RATE_HZ)
    return folder


def tone_spectrograms(folder) -> Spectrograms:
    return make_spectrograms(find_clips(folder), RECIPE.frontend.stored())


@cache
def random_spectrograms():
    """Eight clips of 20 to 60 frames, drawn instead of recorded."""
    from streamdeep_trainer.datasets.clip import Clip

    random = np.random.default_rng(1)
    lengths = random.integers(20, 60, 8)
    n_frames = int(lengths.sum())
    return Spectrograms(
        clips=tuple(
            Clip(f"{row}.wav", f"{row}.wav", "ab"[row % 2], row % 2 + 1) for row in range(8)
        ),
        lengths=lengths,
        values=random.uniform(-110.0, -10.0, (n_frames, 20)).astype(np.float32),
        energies=random.uniform(1e-6, 1e-2, n_frames),
        frontend=RECIPE.frontend.stored(),
    )
