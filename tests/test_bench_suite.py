"""The bench for sceptics: what it measures ends in the report, and marks follow from the data alone."""

import json
import subprocess
import sys

import pytest
from places import ROOT

sys.path.append(str(ROOT))  # the bench is no installed package

from bench.goals import GOALS, Goal, judged
from bench.measure import Rounds, Spread, in_rounds, number
from bench.record import Part, Picture, Series, Table
from bench.report import markdown, write
from bench.suite import PARTS, keep_others

QUIET = {"average_1_min": 0.1, "busy_cores": 0.0}
BUSY = {"average_1_min": 2.0, "busy_cores": 1.5}


def results(parts, load=QUIET):
    return {
        "when": "2030-01-01T00:00:00+00:00",
        "commit": "0123456789abcdef",
        "changed_files": 0,
        "machine": {"cpu": "a cpu", "cores": 2, "system": "a system"},
        "seed": 1,
        "versions": {"python": "3.11.0"},
        "quick": False,
        "parts": {
            name: part
            | {"load_before": load, "load_after": QUIET, "took_s": 1.0}
            | {"when": "2030-01-01T00:00:00+00:00", "commit": "0123456789abcdef"}
            for name, part in parts.items()
        },
    }


def frontend(over_fft):
    picture = Picture(
        "bars", "Bars", "Shorter is better.", "bar", "", "us",
        [Series("a", [], [2.0], [1.0], [3.0]), Series("b", [], [4.0], [4.0], [4.0])],
    )  # fmt: skip
    return Part(
        "Front-end",
        "How it was measured.",
        {"over_fft": over_fft},
        [Table("A table", "What it means.", ["", "us", "n"], [["streamdeep", 1234.5, 7], ["peer", 0.01234, 12_000]])],
        [picture],
        ["Something was skipped."],
    ).as_dict()  # fmt: skip


def goal_row(text, figure):
    return next(line for line in text.splitlines() if line.startswith(f"| {figure} |"))


def test_tables_sentences_pictures_and_notes_of_a_part_stand_in_the_report():
    text = markdown(results({"frontend": frontend(1.6)}), notes="## What limits\n\nWords.\n")
    assert "| streamdeep | 1,234 | 7 |\n| peer | 0.0123 | 12,000 |\n" in text
    assert "### A table\n\nWhat it means.\n" in text
    assert "![Bars](pictures/bars.png)\n\nShorter is better.\n" in text
    assert "- Something was skipped.\n" in text
    assert text.endswith("## What limits\n\nWords.\n")


@pytest.mark.parametrize(
    ("over_fft", "mark"),
    [(1.4, "reached, and the stretch"), (1.8, "reached"), (1.81, "**not reached**")],
)
def test_a_goal_is_marked_by_what_was_found(over_fft, mark):
    text = markdown(results({"frontend": frontend(over_fft)}))
    row = goal_row(text, "front-end per frame over the bare FFT")
    assert row == (
        f"| front-end per frame over the bare FFT | at most 1.8x (stretch 1.5x) | {over_fft}x | {mark} |"
    )


def test_a_goal_without_a_figure_says_why():
    parts = {"memory": {"failed": "no such thing"}}
    text = markdown(results(parts))
    assert "not measured: memory no such thing" in goal_row(
        text, "resident memory, engine with one stream"
    )
    assert "not measured: wire was not run" in judged(Goal("x", "wire", "y", least=1), {})[1]
    assert "## memory\n\nNot measured: no such thing\n" in text


def test_a_limit_is_kept_on_its_own_side_only():
    assert Goal("x", "p", "v", least=25).keeps(25)
    assert not Goal("x", "p", "v", least=25).keeps(24.9)
    assert Goal("x", "p", "v", most=40).keeps(40)
    assert not Goal("x", "p", "v", most=40).keeps(40.1)


def test_the_report_tells_of_a_shared_machine():
    parts = {"frontend": frontend(1.6)}
    assert "shared machine" not in markdown(results(parts))
    assert "up to 1.5 cores" in markdown(results(parts, load=BUSY))


def test_everything_is_written_into_one_folder(tmp_path):
    given = results({"frontend": frontend(1.6)})
    path = write(given, tmp_path)
    assert path == tmp_path / "RESULTS.md"
    assert json.loads((tmp_path / "results.json").read_text()) == given
    assert (tmp_path / "pictures" / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_parts_that_run_alone_leave_the_others_of_the_same_machine_as_they_were(tmp_path):
    earlier = results({"frontend": frontend(1.6), "wire": frontend(2.0)})
    (tmp_path / "results.json").write_text(json.dumps(earlier))
    now = results({"wire": frontend(3.0)}) | {"when": "2030-02-02T00:00:00+00:00"}
    kept = keep_others(now, tmp_path / "results.json")
    assert list(kept["parts"]) == ["frontend", "wire"]
    assert kept["parts"]["frontend"] == json.loads(json.dumps(earlier["parts"]["frontend"]))
    assert kept["parts"]["wire"] == now["parts"]["wire"]
    elsewhere = now | {"machine": now["machine"] | {"cpu": "another"}}
    assert list(keep_others(elsewhere, tmp_path / "results.json")["parts"]) == ["wire"]
    assert keep_others(now, tmp_path / "nothing.json") == now


def test_goals_belong_to_parts_and_no_two_read_the_same_figure():
    assert {goal.part for goal in GOALS} <= set(PARTS)
    assert len({(goal.part, goal.value) for goal in GOALS}) == len(GOALS)


def test_every_round_has_every_contender_once_in_an_order_that_the_seed_decides():
    def orders(seed):
        called = []
        calls = {name: lambda name=name: called.append(name) or 1.0 for name in "abcdef"}
        in_rounds(calls, n_rounds=4, seed=seed)
        return [called[at : at + 6] for at in range(0, 24, 6)]

    assert all(sorted(turn) == list("abcdef") for turn in orders(1))
    assert orders(1) == orders(1) != orders(2)
    assert len({tuple(turn) for turn in orders(1)}) > 1


def test_ratios_are_taken_within_rounds_so_that_a_slow_machine_cancels_out():
    rounds = Rounds({"ours": [1.0, 10.0, 2.0], "peer": [3.0, 30.0, 6.0]})
    assert rounds.ratio("peer", "ours") == Spread(3.0, 3.0, 3.0)
    assert rounds.rows("ours")[0][0] == "ours"


def test_figures_have_three_digits():
    shown = [number(value) for value in (0, 0.001234, 1.2345, 99.96, 123.4, 45_678.9)]
    assert shown == ["0", "0.00123", "1.23", "100", "123", "45,679"]


def test_the_program_runs_parts_and_leaves_everything_that_the_goals_ask_of_them(tmp_path):
    command = [sys.executable, "-m", "bench", "--quick", "--only", "wire,throughput,embedded"]
    done = subprocess.run(
        [*command, "--out", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert set(found["parts"]) == {"wire", "throughput", "embedded"}
    assert found["parts"]["wire"]["values"]["pack_json"] > 2
    beside_gru = found["parts"]["embedded"]["values"]
    assert set(beside_gru) == {"paced_over_gru", "hot_over_gru"}
    assert min(beside_gru.values()) > 0
    for goal in GOALS:
        if goal.part in found["parts"]:
            assert found["parts"][goal.part]["values"][goal.value] > 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "A quick run" in text
    assert (tmp_path / "pictures" / "throughput.png").is_file()


def test_a_part_that_does_not_exist_is_refused_before_anything_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "nothing", "--out", tmp_path / "x"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no part nothing" in done.stderr
    assert not (tmp_path / "x").exists()
