"""The commands on data: each does what its tool does, says it as JSON, and explains itself."""

import json

import click
import numpy as np
import pytest
import typer
from tables_data import assert_same, table_of, write_audios
from typer.testing import CliRunner

from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep_trainer.table_commands import register
from streamdeep_trainer.tables.storage import read_table, write_table

COMMANDS = "inspect validate modify upsample fuse fuse-chunks export-features import-features visualize".split()

app = typer.Typer(rich_markup_mode=None)
register(app)


def run(*arguments):
    """Exit code, standard output and standard error; mistakes are raised."""
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(found.exception, StreamdeepError):
        raise found.exception
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


def tell(*arguments):
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    return json.loads(out)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.nc"
    write_table(path, table_of("aaabbb", n_chunks=2))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: streamdeep-train {command} " in " ".join(out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_json(command):
    (found,) = (one for one in _commands() if one.name == command)
    assert "--json" in [option for parameter in found.params for option in parameter.opts]


def _commands():
    group = typer.main.get_command(app)
    return [group.get_command(click.Context(click.Group()), name) for name in COMMANDS]


def test_inspect_a_folder(tmp_path):
    write_audios(tmp_path, "dog/a.wav", "cat/b.flac", "cat/notes.wav")
    (tmp_path / "cat" / "notes.wav").write_bytes(b"no sound")
    found = tell("inspect", tmp_path)
    assert found["labels"] == {"cat": 2, "dog": 1}
    assert found["unreadable"][0][0] == "cat/notes.wav"
    assert tell("inspect", tmp_path, "--layout", "unlabelled")["labels"] == {"": 3}
    _, out, _ = run("inspect", tmp_path)
    assert "  cat: 2\n" in out
    assert "unreadable: 1\n  cat/notes.wav: " in out


def test_inspect_a_table_and_one_row(file):
    found = tell("inspect", file)
    assert (found["n_rows"], found["n_files"]) == (12, 6)
    assert tell("inspect", file, "--instance", 3)["filename"] == "1.wav"
    assert "labels:\n  a: 6\n" in run("inspect", file)[1]


def test_inspect_what_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="there is no folder"):
        run("inspect", tmp_path / "nowhere")
    with pytest.raises(SourceError, match="there is no file"):
        run("inspect", tmp_path / "nowhere.nc")
    with pytest.raises(ConfigurationError, match="is no table"):
        run("inspect", tmp_path, "--instance", 1)


def test_validate_ends_with_65_and_lists_everything(tmp_path, file):
    assert run("validate", file)[:2] == (0, "0 violations of 7 constraints\n")
    broken = read_table(file).only([0, 1, 2, 4])
    write_table(tmp_path / "broken.nc", broken)
    code, out, _ = run("validate", tmp_path / "broken.nc")
    assert code == 65
    assert out.splitlines()[-1] == "1 violations of 7 constraints"
    code, out, _ = run("validate", tmp_path / "broken.nc", "--json")
    assert code == 65
    found = json.loads(out)
    assert len(found["violations"]) == 1
    assert found["counts"]["as many chunks in every file"] == 1


def test_modify(tmp_path, file):
    out = tmp_path / "out.nc"
    shares = ("--add-partition", "train=2", "--add-partition", "test")
    assert (
        tell("modify", file, "--add-folds", 3, *shares, "--seed", 1, "--out", out)["n_folds"] == 3
    )
    found = read_table(out)
    assert found.held_out.sum(axis=0).tolist() == [4, 4, 4]
    assert found.partitions.count("train") == 8
    with pytest.raises(ConfigurationError, match="remove them first"):
        run("modify", out, "--add-folds", 2, "--out", out)
    tell("modify", out, "--remove-folds", "--add-folds", 2, "--remove-partitions", "--out", out)
    assert read_table(out).n_folds == 2
    assert set(read_table(out).partitions) == {None}
    with pytest.raises(ConfigurationError, match="nothing to change"):
        run("modify", file, "--out", out)
    with pytest.raises(ConfigurationError, match="is no share"):
        run("modify", file, "--add-partition", "train=much", "--out", out)


def test_a_file_for_audeep(tmp_path, file):
    tell("modify", file, "--audeep", "--out", tmp_path / "out.nc")
    found = read_table(tmp_path / "out.nc")
    assert dict(found.attributes) == {}
    assert_same(found, read_table(file), attributes=False)


def test_upsample(tmp_path):
    table = table_of("aab", partitions=["train"] * 3)
    write_table(tmp_path / "t.nc", table)
    told = tell("upsample", tmp_path / "t.nc", "--partition", "train", "--out", tmp_path / "out.nc")
    assert told["n_rows"] == 4
    assert read_table(tmp_path / "out.nc").filenames[3] == "2.wav.copy1"


def test_fuse_and_fuse_chunks(tmp_path, file):
    told = tell("fuse", file, file, "--out", tmp_path / "out.nc")
    assert told["features"] == [6]
    told = tell("fuse-chunks", file, "--out", tmp_path / "out.nc")
    assert (told["n_rows"], told["features"]) == (6, [6])


@pytest.mark.parametrize("form", ["csv", "arff"])
def test_export_and_import(tmp_path, file, form):
    told = tell("export-features", file, "--format", form, "--labels-last", "--out", tmp_path / "f")
    assert told["files"] == [str(tmp_path / "f" / f"t.{form}")]
    tell("import-features", tmp_path / "f", "--out", tmp_path / "out.nc")
    assert_same(read_table(tmp_path / "out.nc"), read_table(file), attributes=False)


def test_export_says_what_it_flattens(tmp_path):
    write_table(tmp_path / "t.nc", table_of("ab", shape=(2, 3), dims=("time", "freq")))
    _, _, err = run(
        "export-features", tmp_path / "t.nc", "--out", tmp_path, "--name", "n", "--flat"
    )
    assert err == "features of 2 x 3 are flattened, freq changing fastest\n"
    assert (tmp_path / "n.csv").is_file()


def test_import_takes_other_names(tmp_path):
    (tmp_path / "t.csv").write_text("path,part,name,x\na,1,dog,2\na,0,dog,3\n")
    names = ("--filename", "path", "--chunk-number", "part", "--label", "name")
    tell("import-features", tmp_path / "t.csv", *names, "--out", tmp_path / "t.nc")
    found = read_table(tmp_path / "t.nc")
    assert found.chunk_numbers.tolist() == [1, 0]
    assert found.labels == ("dog", "dog")
    assert np.array_equal(found.features, [[2], [3]])


def test_visualize(tmp_path, file):
    pictures = [tmp_path / "map.png", tmp_path / "map.html"]
    told = tell("visualize", file, *(part for path in pictures for part in ("--out", path)))
    assert told["n_points"] == 12
    assert all(path.is_file() for path in pictures)
    assert "1.wav, chunk 1 · a" in pictures[1].read_text()
    with pytest.raises(ConfigurationError, match="neither"):
        run("visualize", file, "--out", tmp_path / "map.pdf")
