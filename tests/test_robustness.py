"""Robustness: what is done to sound is what is said, is the same whenever it is done, and test folds choose nothing."""

import json
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate
from tiny import tiny_content, tiny_model
from trainer_data import RATE_HZ, write_tones

from streamdeep.errors import ConfigurationError, MissingDependencyError, SourceError
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block
from streamdeep_trainer import cli
from streamdeep_trainer.conditions.changes import (
    at_rate,
    impulse_response,
    louder,
    noisy,
    of_length,
    pink_noise,
    reverberant,
    white_noise,
)
from streamdeep_trainer.conditions.codecs import through_codec
from streamdeep_trainer.conditions.condition import DEFAULT, TEACH, Condition, conditions_of
from streamdeep_trainer.conditions.sound import (
    LONGEST_S,
    Sound,
    mean_power,
    read_sound,
    sounding_from,
    sounding_power,
)
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clip, embeddings_of, load_embeddings
from streamdeep_trainer.evaluation.classify import linear_svm
from streamdeep_trainer.evaluation.evaluate import evaluate
from streamdeep_trainer.evaluation.judging import Method
from streamdeep_trainer.robustness.embedding import FOLDER, Embedder, Order, embed_all, embed_sound
from streamdeep_trainer.robustness.judging import Vectors, judge


def draw(seed=0):
    return np.random.default_rng(seed)


def bursts(rate_hz=44_100, n_channels=1, seconds=1.0, level=0.1):
    """Noise of changing colour, half a second of it silent at the end, as data sets pad."""
    samples = level * pink_noise((round(seconds * rate_hz), n_channels), rate_hz, draw())
    samples[len(samples) // 2 :] = 0.0
    return Sound((samples / np.abs(samples).max() * 0.5).astype(np.float32), rate_hz)


def decibels(ratio):
    return 10.0 * np.log10(ratio)


# --- what is done to sound ------------------------------------------------------------------------------


@pytest.mark.parametrize("gain_db", [-20.0, -10.0, 3.0])
def test_a_gain_is_so_many_decibels(gain_db):
    sound = bursts()
    power = mean_power(louder(sound, gain_db).samples)
    assert decibels(power / mean_power(sound.samples)) == pytest.approx(gain_db, abs=1e-4)


def test_what_is_too_loud_is_clipped_at_full_scale():
    sound = bursts()
    found = louder(sound, 20.0).samples
    assert found.min() == -1.0
    assert found.max() == 1.0
    kept = np.abs(sound.samples) < 0.09
    assert np.allclose(found[kept], 10.0 * sound.samples[kept], rtol=1e-6)


@given(st.floats(-20.0, 40.0), st.integers(1, 2), st.booleans())
def test_the_ratio_of_signal_to_noise_is_what_is_asked(snr_db, n_channels, pink):
    sound = bursts(8_000, n_channels)
    shape = sound.samples.shape
    noise = pink_noise(shape, 8_000, draw()) if pink else white_noise(shape, draw())
    added = noisy(sound, snr_db, noise).samples.astype(np.float64) - sound.samples
    assert decibels(sounding_power(sound) / (added**2).mean()) == pytest.approx(snr_db, abs=0.01)


def test_padding_does_not_count_as_signal_and_is_noisy_too():
    sound = bursts()
    alone = Sound(sound.samples[: len(sound.samples) // 2], sound.sample_rate_hz)
    assert sounding_power(sound) == pytest.approx(sounding_power(alone))
    assert mean_power(sound.samples) == pytest.approx(sounding_power(sound) / 2, rel=0.01)
    found = noisy(sound, 10.0, white_noise(sound.samples.shape, draw()))
    assert mean_power(found.samples[-1000:]) > 0.0


def test_silence_stays_silence():
    silence = Sound(np.zeros((8_000, 1), np.float32), 8_000)
    for condition in conditions_of("gain:+20dB,white:0dB,pink:0dB,reverb:1s"):
        found = condition.change(silence, seed=0, filename="a").samples
        assert np.array_equal(found, silence.samples), condition.name


def test_pink_noise_has_as_much_power_in_every_octave_and_white_noise_twice_as_much():
    power = {}
    for name, noise in (
        ("pink", pink_noise((88_200, 1), 44_100, draw())),
        ("white", white_noise((88_200, 1), draw())),
    ):
        spectrum = np.abs(np.fft.rfft(noise[:, 0])) ** 2
        frequencies_hz = np.fft.rfftfreq(88_200, 1 / 44_100)
        octaves = [(frequencies_hz >= low) & (frequencies_hz < 2 * low) for low in (640, 1280, 2560, 5120)]  # fmt: skip
        power[name] = np.diff([decibels(spectrum[octave].sum()) for octave in octaves])
    assert np.abs(power["pink"]).max() < 0.5
    assert np.abs(power["white"] - 3.01).max() < 0.5


@pytest.mark.parametrize("reverberation_s", [0.5, 1.0])
def test_reverberation_decays_by_sixty_decibels_in_its_time(reverberation_s):
    """Schroeder's backward integration, as rooms are measured (ISO 3382)."""
    response = impulse_response(reverberation_s, 16_000, 2, draw())
    for channel in response.T:
        decay_db = decibels(np.cumsum(channel[::-1] ** 2)[::-1])
        assert decay_db[0] == pytest.approx(0.0, abs=1e-9)
        assert decay_db[round(reverberation_s * 16_000)] == pytest.approx(-60.0, abs=1.0)
        times_s = np.arange(len(decay_db)) / 16_000
        straight = (decay_db < -5.0) & (decay_db > -35.0)
        slope = np.polyfit(times_s[straight], decay_db[straight], 1)[0]
        assert -60.0 / slope == pytest.approx(reverberation_s, rel=0.05)


def test_reverberation_keeps_level_and_length_and_fills_pauses():
    sound = bursts(16_000)
    found = reverberant(sound, impulse_response(0.5, 16_000, 1, draw()))
    assert found.samples.shape == sound.samples.shape
    assert mean_power(found.samples) == pytest.approx(mean_power(sound.samples), rel=1e-4)
    assert mean_power(found.samples[-4_000:]) > 0.0


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_a_source_of_another_rate_has_that_rate_and_no_more_band(rate_hz):
    sound = Sound((0.1 * white_noise((44_100, 2), draw())).astype(np.float32), 44_100)
    found = at_rate(sound, rate_hz)
    assert found.sample_rate_hz == rate_hz
    assert found.samples.shape == (rate_hz, 2)
    back = at_rate(found, 44_100).samples
    spectrum = (np.abs(np.fft.rfft(back[:, 0])) ** 2).astype(np.float64)
    kept_hz = min(rate_hz, 44_100) / 2
    limit = round(kept_hz)  # a second of sound: a bin is 1 Hz
    assert spectrum[limit:].sum() < 0.01 * spectrum.sum()
    assert decibels(spectrum[:limit].sum() / spectrum.sum()) > -0.1


@pytest.mark.parametrize("name", ["mp3", "opus"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_codec_changes_sound_and_leaves_no_delay(name, n_channels):
    # Channels alike, and bits for both: with less, Opus keeps their levels rather than their waves.
    sound = Sound(np.repeat(bursts(48_000).samples, n_channels, axis=1), 48_000)
    found = through_codec(sound, name, 32.0 * n_channels)
    assert found.sample_rate_hz == 48_000
    assert found.samples.shape == sound.samples.shape
    assert not np.array_equal(found.samples, sound.samples)
    for before, after in zip(sound.samples.T, found.samples.T, strict=True):
        lag = int(correlate(after, before, method="fft").argmax()) - (len(before) - 1)
        assert lag == 0
        assert np.corrcoef(before, after)[0, 1] > 0.8


def test_fewer_bits_keep_less_of_the_sound():
    sound = bursts(48_000)

    def error(kbit_per_s):
        return mean_power(through_codec(sound, "mp3", kbit_per_s).samples - sound.samples)

    assert error(32.0) > 4 * error(192.0)


def test_a_rate_that_a_codec_does_not_take_is_resampled_first():
    found = through_codec(bursts(8_000), "opus", 32.0)
    assert (found.sample_rate_hz, len(found.samples)) == (48_000, 48_000)


def test_codecs_refuse_what_they_cannot_do_in_one_line():
    with pytest.raises(SourceError, match="3 channels, and opus takes one or two"):
        through_codec(bursts(48_000, 3), "opus", 32.0)


def test_without_pyav_codecs_are_refused_before_the_work_and_nothing_else_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match="pip install 'streamdeep\\[train\\]'"):
        conditions_of("clean,mp3:32kbps")
    assert len(conditions_of("clean,white:0dB")) == 2


def test_a_length_begins_where_the_sound_does_and_repeats_what_is_short():
    samples = np.zeros((1_000, 1), np.float32)
    samples[300:] = np.linspace(0.1, 0.2, 700, dtype=np.float32)[:, None]
    sound = Sound(samples, 1_000)
    assert sounding_from(sound) == 300
    assert np.array_equal(of_length(sound, 0.2).samples, samples[300:500])
    assert np.array_equal(of_length(sound, 0.9).samples, samples[100:])  # as late as leaves enough
    assert np.array_equal(of_length(sound, 1.0).samples, samples)
    assert np.array_equal(of_length(sound, 2.0).samples, np.concatenate((samples, samples)))


def test_a_clip_that_is_longer_than_can_be_held_is_refused(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(round(LONGEST_S * 1_000) + 1, np.float32), 1_000)
    with pytest.raises(SourceError, match="longer than 600 s; cut it"):
        read_sound(path)


# --- conditions by name ---------------------------------------------------------------------------------


def test_names_are_read_as_they_are_written():
    for text in (DEFAULT, TEACH):
        assert ",".join(condition.name for condition in conditions_of(text)) == text
    assert conditions_of("gain:3.50dB, clean") == (Condition("gain", 3.5), Condition())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loud", "'loud' is no condition; use clean, gain:NUMBERdB"),
        ("gain:20", "is no condition"),
        ("rate:8Hz", "is no condition"),
        ("gain:naNdB", "is no condition"),
        ("mp3:33kbps", "mp3 has no 33 kbit/s; use 32, 40"),
        ("rate:0kHz", "out of range; 1 to 768 kHz will do"),
        ("reverb:1e9s", "is no condition"),
        ("white:10dB,white:10.0dB", "white:10dB is named twice"),
        (" , ", "no condition is named"),
    ],
)
def test_names_that_are_none_are_refused(text, said):
    with pytest.raises(ConfigurationError, match=said):
        conditions_of(text)


def test_what_is_drawn_depends_on_seed_condition_and_clip_alone():
    sound = bursts(8_000, seconds=0.2)
    for condition in conditions_of("white:10dB,pink:10dB,reverb:0.5s"):
        first = condition.change(sound, seed=0, filename="a").samples
        again = condition.change(sound, seed=0, filename="a").samples
        assert np.array_equal(first, again)
        for seed, filename in ((1, "a"), (0, "b")):
            other = condition.change(sound, seed=seed, filename=filename).samples
            assert not np.array_equal(first, other)


def test_no_condition_writes_to_the_sound():
    sound = bursts(8_000, seconds=0.3)
    sound.samples.flags.writeable = False
    for condition in conditions_of(DEFAULT):
        found = condition.change(sound, seed=0, filename="a").samples
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


# --- embeddings -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones") / "data", n_clips=6, esc=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, seed in (("one", 0), ("other", 1)):
        (folder / f"{name}.onnx").write_bytes(tiny_content(seed=seed))
    return folder / "one.onnx", folder / "other.onnx"


def test_clean_sound_gives_the_embeddings_that_embed_gives(tones):
    clip = find_clips(tones)[0]
    found, wanted = embed_sound(read_sound(clip.path), tiny_model()), embed_clip(clip.path, tiny_model())  # fmt: skip
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one.vector, other.vector)
        assert one.n_samples == other.n_samples


def test_sound_shorter_than_a_segment_gives_the_embedding_of_a_segment_as_short():
    """What is cut to N seconds is as if the model's segments were N seconds long: bit for bit."""
    model = tiny_model()
    sound = Sound((0.1 * white_noise((RATE_HZ, 1), draw())).astype(np.float32), RATE_HZ)
    n_frames = 10
    n_samples = 320 + 160 * (n_frames - 1)
    short = Sound(sound.samples[:n_samples], RATE_HZ)
    [found] = embed_sound(short, model)
    early = Pipeline(model, RATE_HZ, 1, early_frames=(n_frames,))
    wanted = next(embeddings_of([Block(sound.samples, 0)], early, early_frames=n_frames))
    assert np.array_equal(found.vector, wanted.vector)


def test_embeddings_are_kept_and_a_run_that_broke_off_goes_on(tones, models, tmp_path):
    order = Order(
        tuple(find_clips(tones))[:3], models, conditions_of("clean,white:10dB"), 0, tmp_path
    )
    files = embed_all(order, Embedder(models))
    assert len(set(files.values())) == 4
    before = {path: (path.stat().st_mtime_ns, load_embeddings(path)) for path in files.values()}
    gone = files[models[1], order.conditions[1]]
    gone.unlink()
    assert embed_all(order, Embedder(models)) == files
    assert {path for path in before if path.stat().st_mtime_ns != before[path][0]} == {gone}
    assert np.array_equal(load_embeddings(gone).vectors, before[gone][1].vectors)


def test_what_is_kept_is_known_by_all_that_decides_it(tones, models, tmp_path):
    order = Order(tuple(find_clips(tones)), models, conditions_of("clean,white:10dB"), 0, tmp_path)
    model, condition = tiny_model(), order.conditions[1]
    others = {
        order.path(tiny_model(seed=1), condition),
        order.path(model, order.conditions[0]),
        replace(order, seed=1).path(model, condition),
        replace(order, clips=order.clips[:-1]).path(model, condition),
    }
    assert len(others | {order.path(model, condition)}) == 5
    assert replace(order, workers=2).path(model, condition) == order.path(model, condition)


def test_an_embedder_that_travelled_gives_the_same_bits(tones, models):
    embedder = Embedder(models)
    piece = (find_clips(tones)[0], Condition("white", 10.0), 0, models)
    here = embedder(*piece)
    there = pickle.loads(pickle.dumps(embedder))(*piece)
    for one, other in zip(here, there, strict=True):
        assert np.array_equal(one[0].vector, other[0].vector)
    assert not np.array_equal(here[0][0].vector, here[1][0].vector)


# --- judging --------------------------------------------------------------------------------------------

RECIPE = EvaluateRecipe(c_grid=(0.01, 0.1), seeds=(0,))


def labelled(n_clips=40):
    return [
        Clip(f"{row}.wav", f"{row}.wav", "ab"[row % 2], row // 2 % 4 + 1) for row in range(n_clips)
    ]


def separable(n_clips=40, *, apart=2.0, moved=0.0, seed=0):
    """Two classes, so far apart in the first value, and all values moved; one row per clip."""
    vectors = draw(seed).standard_normal((n_clips, 5)).astype(np.float32)
    vectors[:, 0] += np.where(np.arange(n_clips) % 2, apart / 2, -apart / 2)
    return Vectors(vectors + np.float32(moved), np.arange(n_clips))


def test_clean_sound_is_judged_as_evaluate_judges_it():
    clips, vectors = labelled(), separable()
    found = judge(clips, {"clean": vectors}, asked=["clean"], teach=[], recipe=RECIPE)
    wanted = evaluate(
        "x", clips, vectors.vectors, vectors.clip_rows, RECIPE,
        method=Method(linear_svm, RECIPE.c_grid),
    )  # fmt: skip
    assert set(found["clean"]) == {"clean", "same"}
    for scores in found["clean"].values():
        assert scores.fold_accuracies == wanted.fold_accuracies
        assert scores.chosen_c == wanted.chosen_c


def test_teaching_the_same_sound_twice_teaches_nothing_new():
    clips, vectors = labelled(), separable()
    embedded = {"clean": vectors, "copy": vectors}
    found = judge(clips, embedded, asked=["clean", "copy"], teach=["clean", "copy"], recipe=RECIPE)
    assert found["copy"]["several"].fold_accuracies == found["copy"]["clean"].fold_accuracies


def test_what_is_shifted_is_lost_to_who_was_taught_clean_sound_and_not_to_who_was_taught_it():
    clips = labelled()
    embedded = {"clean": separable(), "moved": separable(moved=6.0)}
    found = judge(clips, embedded, asked=["moved"], teach=["clean", "moved"], recipe=RECIPE)["moved"]  # fmt: skip
    assert found["clean"].accuracy < 0.7
    assert found["same"].accuracy > 0.75


def test_the_test_fold_teaches_nothing():
    """Three of its ten clips are far away on the wrong side: they are answered wrong, and the others as if they were not there."""
    clips = labelled()
    far = np.flatnonzero([clip.fold == 2 for clip in clips])[:3]
    embedded = {"clean": separable(apart=20.0), "moved": separable(apart=20.0, seed=1)}
    for of in embedded.values():
        of.vectors[far] *= -1000.0
    found = judge(clips, embedded, asked=["clean", "moved"], teach=["clean", "moved"], recipe=RECIPE)  # fmt: skip
    for of_condition in found.values():
        for scores in of_condition.values():
            assert scores.fold_accuracies[1] == pytest.approx(0.7)


# --- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", "robustness", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_the_command_writes_tables_numbers_and_a_picture(run, tones, models, tmp_path):
    out = tmp_path / "out"
    arguments = [*models, "--data", tones, "--out", out, "--conditions", "gain:-20dB,opus:32kbps", "--teach", "clean,gain:-10dB"]  # fmt: skip
    code, said, _ = run(*arguments, "--json")
    assert code == 0
    found = json.loads(said)
    assert [model["name"] for model in found["models"]] == ["one", "other"]
    assert list(found["conditions"]) == ["clean", "gain:-20dB", "opus:32kbps"]
    for model in found["models"]:
        assert set(model["scores"]) == set(found["conditions"])
        for scores in model["scores"].values():
            assert set(scores) == {"clean", "several", "same"}
            assert scores["clean"]["n_files"] == 12
    text = (out / "robustness.md").read_text(encoding="utf-8")
    assert text.count("| gain -20 dB |") == 3
    assert "Several conditions are: clean, gain -10 dB." in text
    assert json.loads((out / "robustness.json").read_text())["models"] == found["models"]
    picture = (out / "robustness.svg").read_bytes()
    assert b"<svg" in picture
    kept = {path: path.stat().st_mtime_ns for path in (out / FOLDER).iterdir()}
    assert len(kept) == 8
    code, said, _ = run(*arguments)
    assert code == 0
    assert "taught clean sound alone" in said
    assert {path: path.stat().st_mtime_ns for path in (out / FOLDER).iterdir()} == kept
    assert (out / "robustness.svg").read_bytes() == picture


def test_a_clip_that_cannot_be_used_is_named_once_and_left_out_of_everything(run, models, tmp_path):
    data = write_tones(tmp_path / "data", n_clips=6, esc=True)
    (data / "001 - low" / "1-9-A.wav").write_bytes(b"RIFF and nothing else")
    arguments = ["--data", data, "--out", tmp_path / "out", "--conditions", "gain:-20dB"]
    code, said, errors = run(models[0], *arguments, "--teach", "", "--json")
    assert code == 66
    assert errors.count("skipped 001 - low/1-9-A.wav") == 1
    assert json.loads(said)["n_clips"] == 12


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        (["--conditions", "loud"], 78, "'loud' is no condition"),
        (["--teach", "gain:+1"], 78, "'gain:+1' is no condition"),
        (["again"], 78, "give each once"),
        (["nowhere.onnx"], 65, "nowhere.onnx"),
    ],
)
def test_mistakes_are_one_line_before_the_work(run, tones, models, tmp_path, changes, code, said):
    changes = [models[0] if word == "again" else word for word in changes]
    ended, _, errors = run(models[0], *changes, "--data", tones, "--out", tmp_path / "out")
    assert ended == code
    assert said in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()
