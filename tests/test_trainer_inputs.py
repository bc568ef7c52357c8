"""Training on files of spectrograms and embedding them: ours, and such as auDeep writes."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import xarray
from trainer_data import RATE_HZ, RECIPE, tone_spectrograms, with_fit

from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, MismatchError
from streamdeep_trainer import cli
from streamdeep_trainer.checkpoint import load_checkpoint
from streamdeep_trainer.config import Recipe, ViewRecipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clip
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit, split
from streamdeep_trainer.inputs.embedding import embed_rows, remarks_on
from streamdeep_trainer.inputs.rows import read_rows
from streamdeep_trainer.inputs.training import training_rows
from streamdeep_trainer.levels import input_of
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.preprocess.run import preprocess
from streamdeep_trainer.spectrograms import save_spectrograms
from streamdeep_trainer.tables.fuse import fuse_chunks, fuse_tables
from streamdeep_trainer.tables.splits import add_folds
from streamdeep_trainer.tables.storage import read_table, write_table
from streamdeep_trainer.tables.upsample import upsample

LENGTH_FRAMES = 24
"""Frames of a segment, and of a chunk of 0.48 s; segments and chunks begin every 24 frames."""

FRONTEND = {"window_s": 0.04, "overlap_s": 0.02, "n_bands": 20}
FIXED = PreprocessOptions(**FRONTEND, floor_db=-80.0, ceiling_db=-10.0)
SEGMENT = PreprocessOptions(
    **FRONTEND, normaliser="segment", scope="segment", clip_below_db=-60.0, pre_emphasis=0.95
)
CHUNKS = {"chunk_length_s": 0.48}


def recipe(level="fixed", **changes):
    """The tiny recipe without gain, with segments end to end."""
    audeeps = {"level": "segment", "clip_below_db": -60.0, "pre_emphasis": 0.95}
    given = with_fit(gain_db=0.0).model_dump()
    frontend = given["frontend"] | (audeeps if level == "segment" else {}) | changes
    return Recipe.model_validate(
        given | {"frontend": frontend, "segment": {"length_s": 0.5, "hop_s": 0.48}}
    )


RECIPES = {"fixed": recipe(), "segment": recipe("segment")}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Three clips of each of two pitches: two whole segments and an end."""
    folder, random = tmp_path_factory.mktemp("sound"), np.random.default_rng(0)
    for label, pitch_hz in (("high", 1500.0), ("low", 300.0)):
        (folder / label).mkdir()
        for index in range(3):
            time_s = np.arange(int(RATE_HZ * (1.1 + 0.1 * index))) / RATE_HZ
            tone = 0.2 * np.sin(2 * np.pi * pitch_hz * time_s) * (1.0 + np.sin(3.0 * time_s))
            samples = tone + 0.01 * random.standard_normal(len(time_s))
            soundfile.write(folder / label / f"{index}.wav", samples, RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def files(sound, tmp_path_factory):
    """Files of rows by name: whole clips and chunks, of both normalisers."""
    folder = tmp_path_factory.mktemp("files")
    made = {}
    for name, options in (
        ("fixed", FIXED),
        ("segment", SEGMENT),
        ("fixed chunks", FIXED.model_copy(update=CHUNKS)),
        ("segment chunks", SEGMENT.model_copy(update=CHUNKS)),
        ("file chunks", SEGMENT.model_copy(update=CHUNKS | {"scope": "file"})),
        ("padded sound", SEGMENT.model_copy(update={"fixed_length_s": 2.0, "centred": True})),
        ("louder", FIXED.model_copy(update={"ceiling_db": 0.0})),
        ("other hop", FIXED.model_copy(update={"overlap_s": 0.03})),
        ("wide", FIXED.model_copy(update={"n_bands": 24})),
    ):
        made[name] = folder / f"{name}.nc"
        preprocess(find_clips(sound), options, out=made[name])
    made["audeep"] = as_audeep(read_table(made["segment chunks"]), folder / "audeep.nc")
    made["decibels"] = folder / "decibels.nc"
    save_spectrograms(made["decibels"], tone_spectrograms(sound).only(np.array([0, 0])))
    write_table(folder / "f.nc", fuse_tables([read_table(made["audeep"])] * 2, dimension="freq"))
    made["fused"] = folder / "f.nc"
    return made


def as_audeep(table, path):
    """Write what auDeep would: its axes and variables, nothing of how they came about."""
    xarray.Dataset(
        {
            "filename": (("instance",), np.array(table.filenames, dtype=object)),
            "chunk_nr": (("instance",), table.chunk_numbers),
            "label_nominal": (("instance",), np.array(table.labels, dtype=object)),
            "label_numeric": (("instance",), table.numeric_labels),
            "cv_folds": (("instance", "fold"), np.zeros((len(table), 0))),
            "partition": (("instance",), np.full(len(table), np.nan)),
            "features": (("instance", "time", "freq"), table.features),
        },
        attrs={
            "feature_dims": '["time", "freq"]',
            "label_map": json.dumps([list(pair) for pair in table.label_map]),
        },
    ).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """By level: a run on chunks, and its model file."""
    made = {}
    for level, wanted in RECIPES.items():
        rows = training_rows([files[f"{level} chunks"]], wanted).spectrograms
        run = tmp_path_factory.mktemp(level)
        checkpoint = fit(wanted, rows, run=run)
        (run / "model.onnx").write_bytes(export_model(checkpoint, rows))
        made[level] = checkpoint, load_model(run / "model.onnx")
    return made


def same(first, second):
    return all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


@pytest.mark.parametrize("level", RECIPES)
def test_a_model_gives_the_sound_the_very_embeddings_of_the_rows(level, files, trained, sound):
    _, model = trained[level]
    found = embed_rows(read_rows(files[f"{level} chunks"]), model)
    assert len(found) >= 12
    for name, rows in found.rows_by_file().items():
        live = [one.vector for one in embed_clip(sound / name, model)]
        assert np.array_equal(found.features[rows], np.stack(live[: len(rows)]))


def test_a_model_of_fixed_levels_streams_between_those_of_the_file(trained):
    checkpoint, model = trained["fixed"]
    assert model.incremental
    level = model.contract.frontend.views[0].level
    assert checkpoint.levels == (level.floor_db, level.ceiling_db) == (-80.0, -10.0)
    assert not trained["segment"][1].incremental
    assert trained["segment"][1].contract.frontend.views[0].level.clip_below_db == -60.0


def test_loudness_is_not_in_a_model_that_never_heard_any(trained):
    assert all(model.contract.level is None for _, model in trained.values())
    assert trained["fixed"][1].contract.provenance["n_clips"] == 6
    assert trained["fixed"][1].contract.provenance["n_segments"] == 12


def test_rows_longer_than_a_segment_give_random_crops(files, tmp_path):
    from streamdeep_trainer.crops import draw_crops

    rows = training_rows([files["fixed"]], RECIPES["fixed"]).spectrograms
    assert rows.lengths.min() > LENGTH_FRAMES
    drawn = [
        draw_crops(
            rows,
            np.arange(6),
            length_frames=LENGTH_FRAMES,
            levels=(-80.0, -10.0),
            frontend=RECIPES["fixed"].frontend,
            gain_db=0.0,
            random=np.random.default_rng(seed),
        )[0]
        for seed in range(2)
    ]
    assert drawn[0].shape == (6, LENGTH_FRAMES, 20)
    assert not np.array_equal(*drawn)
    assert np.isin(drawn[0], rows.values).all()


def test_what_pads_a_row_never_counts(files, trained, tmp_path):
    """The same file with noise for padding."""
    table = read_table(files["fixed"])
    padding = np.arange(table.features.shape[1]) >= table.lengths[:, None]
    assert padding.any()
    noisy = np.where(
        padding[..., None],
        np.random.default_rng(0).uniform(-1, 1, table.features.shape),
        table.features,
    ).astype(np.float32)
    write_table(tmp_path / "noisy.nc", replace(table, features=noisy))
    found = []
    for path in (files["fixed"], tmp_path / "noisy.nc"):
        rows = training_rows([path], RECIPES["fixed"]).spectrograms
        assert int(rows.lengths.sum()) == len(rows.values)
        found.append(fit(RECIPES["fixed"], rows, run=tmp_path / path.stem))
    assert same(*found)
    assert found[0].losses == found[1].losses
    _, model = trained["fixed"]
    vectors = [
        embed_rows(read_rows(path), model).features
        for path in (files["fixed"], tmp_path / "noisy.nc")
    ]
    assert np.array_equal(*vectors)
    alone = model.encode(table.features[:1, : table.lengths[0]])
    assert np.array_equal(vectors[0][:1], alone)


def test_audeeps_file_is_believed_and_gives_the_same_run(files, trained, tmp_path):
    found = training_rows([files["audeep"]], RECIPES["segment"])
    assert "does not say what computed it; it is believed to be the recipe's" in found.remarks[0]
    again = fit(RECIPES["segment"], found.spectrograms, run=tmp_path)
    assert same(again, trained["segment"][0])
    ours = embed_rows(read_rows(files["segment chunks"]), trained["segment"][1])
    theirs = embed_rows(read_rows(files["audeep"]), trained["segment"][1])
    assert np.array_equal(ours.features, theirs.features)
    assert (
        "the model's front-end" in remarks_on(read_rows(files["audeep"]), trained["segment"][1])[0]
    )
    fixed = recipe(floor_db=-80.0, ceiling_db=-10.0)
    level = training_rows([files["audeep"]], fixed).spectrograms.applied
    assert (level.floor_db, level.ceiling_db) == (-80.0, -10.0)


def test_several_files_follow_each_other(files):
    chunks, whole = files["fixed chunks"], files["fixed"]
    both = training_rows([chunks, whole], RECIPES["fixed"]).spectrograms
    alone = [training_rows([path], RECIPES["fixed"]).spectrograms for path in (chunks, whole)]
    assert both.lengths.tolist() == [*alone[0].lengths, *alone[1].lengths]
    assert np.array_equal(both.values, np.concatenate([one.values for one in alone]))


def test_the_chunks_of_a_file_are_held_out_together(files, tmp_path):
    wanted = with_fit(RECIPES["fixed"], validation_fraction=0.4, epochs=1)
    rows = training_rows([files["fixed chunks"]], wanted).spectrograms
    checkpoint = fit(wanted, rows, run=tmp_path)
    training, held_out = split(rows, checkpoint.held_out)
    assert len(checkpoint.held_out) == 2  # of 6 files
    assert len(held_out) == 4  # two chunks each
    names = [clip.filename for clip in rows.clips]
    assert not {names[row] for row in training} & {names[row] for row in held_out}
    assert checkpoint.losses[0][1] > 0.0


@pytest.mark.parametrize(
    ("names", "wanted", "says"),
    [
        (["fixed"], RECIPE, r"set gain_db = 0 in \[fit\], which is 6"),
        (["segment"], RECIPES["fixed"], "level.kind segment and not fixed"),
        (["fixed"], RECIPES["segment"], "pre_emphasis 0.0 and not 0.95"),
        (["other hop"], RECIPES["fixed"], "recipe's: hop_samples 80 and not 160$"),
        (["segment"], recipe("segment", clip_below_db=-50.0), "clip_below_db -60.0 and not -50.0"),
        (["fixed"], recipe(floor_db=-70.0), "floor_db -80 and not -70$"),
        (["fixed", "louder"], RECIPES["fixed"], "louder.nc .*fixed.nc: level.ceiling_db 0.0 and"),
        (["wide"], RECIPES["fixed"], "24 bands and the recipe's front-end 20"),
        (["audeep"], RECIPES["fixed"], "does not say its levels"),
        (["decibels"], RECIPES["fixed"], "is for --spectrograms"),
        (["fused"], RECIPES["segment"], "give them one by one"),
        (
            ["fixed"],
            RECIPES["fixed"].model_copy(
                update={"views": (ViewRecipe(name="a"), ViewRecipe(name="b", channel="left"))}
            ),
            "several views needs sound",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(names, wanted, says, files):
    with pytest.raises(ConfigurationError, match=says):
        training_rows([files[name] for name in names], wanted)


def test_a_run_goes_on_with_its_own_levels_alone(files, trained):
    louder = training_rows([files["louder"]], RECIPES["fixed"]).spectrograms
    with pytest.raises(ConfigurationError, match="between -80 and 0 dB and the run's between -80"):
        export_model(trained["fixed"][0], louder)
    with pytest.raises(ConfigurationError, match="set gain_db = 0"):
        input_of(louder, slice(0, 1), (-80.0, 0.0), RECIPES["fixed"].frontend, gain_db=1.0)


@pytest.mark.parametrize(
    ("name", "level", "says"),
    [
        ("fixed chunks", "fixed", None),
        ("segment chunks", "segment", None),
        ("fixed", "fixed", None),
        ("file chunks", "segment", "whole file's maximum"),
        ("segment", "segment", "levelled whole and longer than 24 frames"),
        ("padded sound", "segment", "cut or padded, centred, to 2 s"),
    ],
)
def test_what_no_live_model_repeats_is_said(name, level, says, files):
    remarks = training_rows([files[name]], RECIPES[level]).remarks
    assert remarks == () if says is None else says in remarks[0]


def test_rows_shorter_than_a_segment_are_told(files):
    longer = RECIPES["fixed"].model_copy(
        update={"segment": RECIPE.segment.model_copy(update={"length_s": 2.0})}
    )
    (remark,) = training_rows([files["fixed chunks"]], longer).remarks
    assert "rows of 24 frames at most and a segment has 99" in remark


def test_embeddings_keep_all_that_is_known_of_their_rows(files, trained, tmp_path):
    table = add_folds(read_table(files["fixed chunks"]), 3, seed=0)
    some = table.only([1, 5, 2, 11])
    write_table(tmp_path / "some.nc", some)
    found = embed_rows(read_rows(tmp_path / "some.nc"), trained["fixed"][1])
    assert found.filenames == some.filenames
    assert found.chunk_numbers.tolist() == some.chunk_numbers.tolist() == [1, 1, 0, 1]
    assert (found.labels, found.label_map) == (some.labels, some.label_map)
    assert np.array_equal(found.held_out, some.held_out)
    assert found.attributes["model"] == trained["fixed"][1].digest.hex()
    assert found.attributes["preprocess"]["chunk_length_s"] == 0.48
    whole = embed_rows(read_rows(files["fixed chunks"]), trained["fixed"][1])
    assert np.array_equal(found.features, whole.features[[1, 5, 2, 11]])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wide", "24 bands and the model's front-end 20"),
        ("louder", "level.ceiling_db 0.0 and not -10.0"),
        ("segment chunks", "level.kind segment and not fixed"),
    ],
)
def test_rows_of_another_front_end_than_the_models_are_refused(name, says, files, trained):
    with pytest.raises(MismatchError, match=says):
        embed_rows(read_rows(files[name]), trained["fixed"][1])


def test_tables_of_something_else_are_refused(files, trained, tmp_path):
    embedded = embed_rows(read_rows(files["fixed chunks"]), trained["fixed"][1])
    write_table(tmp_path / "e.nc", embedded)
    with pytest.raises(ConfigurationError, match="features over generated; spectrograms"):
        read_rows(tmp_path / "e.nc")


def test_lengths_stay_with_their_rows_in_whatever_table_commands_write(files, tmp_path):
    table = read_table(files["fixed"])
    assert len(set(table.lengths)) == 3
    balanced = upsample(add_folds(table, 2, seed=1).only([0, 1, 2, 4]), seed=0)
    write_table(tmp_path / "t.nc", balanced)
    of_file = dict(zip(table.filenames, table.lengths.tolist(), strict=True))
    found = read_table(tmp_path / "t.nc")
    assert len(found) == 6
    for name, length in zip(found.filenames, found.lengths, strict=True):
        assert length == of_file[name.split(".copy")[0]]
    assert read_rows(tmp_path / "t.nc").options == FIXED  # and so does what computed them
    write_table(tmp_path / "audeep.nc", balanced, form="audeep")
    assert read_table(tmp_path / "audeep.nc").lengths is None


def test_fusing_leaves_padding_at_the_end_or_refuses(files):
    table, chunks = read_table(files["fixed"]), read_table(files["fixed chunks"])
    side_by_side = fuse_tables([table, table], dimension="band")
    assert side_by_side.features.shape[2] == 40
    assert side_by_side.lengths.tolist() == table.lengths.tolist()
    with pytest.raises(ConfigurationError, match="padding would lie in the middle"):
        fuse_tables([table, table], dimension="time")
    shorter = replace(table, lengths=table.lengths - 1)
    with pytest.raises(ConfigurationError, match="different real lengths"):
        fuse_tables([table, shorter], dimension="band")
    files_again = fuse_chunks(chunks, dimension="time")
    assert files_again.lengths.tolist() == [48] * 6
    assert np.array_equal(files_again.features, table.features[:, :48])


def test_bands_have_two_names(files):
    ours, theirs = read_table(files["segment chunks"]), read_table(files["audeep"])
    assert (ours.feature_dims[1], theirs.feature_dims[1]) == ("band", "freq")
    for name in ("band", "freq"):
        assert fuse_tables([ours, theirs], dimension=name).features.shape[2] == 40
    assert np.array_equal(read_rows(files["audeep"]).table.features, ours.features)


TOML = """
frontend = { sample_rate_hz = 8000, window_s = 0.04, hop_s = 0.02, bands = 20 }
segment = { length_s = 0.5, hop_s = 0.48 }
model = { name = "tiny", units = [12, 9], decoder_units = [10] }
fit = { epochs = 1, batch_size = 4, validation_fraction = 0.2 }
"""


@pytest.fixture
def train(monkeypatch, capsys, tmp_path):
    """The program in this process: exit code, standard output, standard error."""
    (tmp_path / "recipe.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_whole_line_without_a_sound(train, files, tmp_path, command):
    def tell(*arguments):
        code, out, err = train(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    source = ("--input", files["fixed chunks"])
    told = tell("fit", "recipe.toml", *source, "--out", "run")
    assert (told["n_clips"], told["levels_db"]) == (6, [-80.0, -10.0])
    digest = load_model(tmp_path / "run/model.onnx").digest.hex()
    assert told["models"]["model.onnx"] == digest
    again = tell("fit", "recipe.toml", *source, "--out", "run", "--resume")
    assert again["models"]["model.onnx"] == digest
    assert list(tell("export", "run", *source, "--out", "m.onnx")["models"].values()) == [digest]
    told = tell("embed", *source, "--model", "run/model.onnx", "--out", "e.nc")
    assert (told["n_clips"], told["n_embeddings"], told["model"]) == (6, 12, digest)
    assert tell("evaluate", "e.nc", "--folds", 3)["scores"][0]["accuracy"] == 1.0
    assert tell("fuse-chunks", "e.nc", "--out", "files.nc")["features"] == [126]
    assert command("inspect", tmp_path / "run/model.onnx")[0] == 0
    assert tell("inspect", files["fixed"])["lengths"] == [54, 64]
    assert load_checkpoint(tmp_path / "run/checkpoint.npz").n_epochs == 1


def test_a_run_goes_on_to_the_same_weights(files, tmp_path):
    rows = training_rows([files["segment chunks"]], RECIPES["segment"]).spectrograms
    whole = fit(RECIPES["segment"], rows, run=tmp_path / "a")
    fit(with_fit(RECIPES["segment"], epochs=1), rows, run=tmp_path / "b")
    again = training_rows([files["segment chunks"]], RECIPES["segment"]).spectrograms
    assert same(whole, fit(RECIPES["segment"], again, run=tmp_path / "b", resume=True))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("modify", "--audeep", "--out", "a.nc"), "auDeep's file cannot say so"),
        (("export-features", "--out", "csv"), "padded, which the files cannot say"),
    ],
)
def test_padding_that_a_file_cannot_tell_is_told(train, files, arguments, says):
    code, _, err = train(arguments[0], files["fixed"], *arguments[1:])
    assert code == 0
    assert "4 rows are padded" in err
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("fit", "recipe.toml", "--out", "r"), 78, "give either --data, sound, or --input"),
        (("fit", "recipe.toml", "--data", ".", "--input", "x", "--out", "r"), 78, "give either"),
        (("fit", "recipe.toml", "--input", "x", "--layout", "esc", "--out", "r"), 78, "--layout"),
        (("fit", "recipe.toml", "--input", "x.nc", "--out", "r"), 66, "there is no file x.nc"),
        (("embed", "--out", "e.nc"), 78, "give either --data, sound, or --input"),
        (
            ("embed", "--input", "x.nc", "--condition", "clean", "--out", "e.nc"),
            78,
            "--condition belongs",
        ),
        (("embed", "--input", "x.nc", "--workers", 2, "--out", "e.nc"), 78, "--workers belongs"),
        (("embed", "--input", "x.nc", "--out", "e.nc"), 66, "there is no file x.nc"),
        (("export", "run", "--out", "m.onnx"), 66, "or the --input that the run was trained on"),
        (("evaluate", "run"), 78, "is judged by sound files; say where they are with --data"),
    ],
)
def test_mistakes_end_in_one_line(train, tmp_path, arguments, code, says):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/checkpoint.npz").touch()
    found, out, err = train(*arguments)
    assert (found, out) == (code, "")
    assert says in err
    assert len(err.splitlines()) == 1
