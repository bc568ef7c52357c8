"""Labels of live streams: sounds never outlive what was heard, and files hold whole lines whatever happens."""

import csv
import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from streamdeep.cli.classify_screen import table
from streamdeep.errors import ConfigurationError, MismatchError
from streamdeep.heads.settings import DecisionSettings
from streamdeep.heads.writing import write_linear_head
from streamdeep.labelling import labelfile
from streamdeep.labelling.formats import FORMATS, Heard
from streamdeep.labelling.labelfile import LabelFile
from streamdeep.labelling.labeller import Labeller
from streamdeep.labelling.linefile import LineFile
from streamdeep.records import Sound
from streamdeep.wire.kinds import EmbeddingMessage, EventMessage

RATE_HZ = 1000
DIGEST = bytes(range(32))
SESSION = bytes(16)
DOG, RAIN, NEITHER = (10.0, 0.0), (0.0, 10.0), (0.0, 0.0)
S_NS = 1_000_000_000


@pytest.fixture
def head(tmp_path):
    """Two classes on vectors of two: the larger number wins, equal ones are half each."""
    return write_linear_head(
        tmp_path / "head.onnx", np.eye(2), np.zeros(2), ("dog", "rain"), DIGEST
    )


def an_embedding(k=0, vector=NEITHER, *, stream="a", epoch=0, session=SESSION, model=DIGEST[:8]):
    """Segment k of 5 s every second."""
    stop = k * 1000 + 5000
    return EmbeddingMessage(
        stream=stream,
        session=session,
        sequence=k,
        published_utc_ns=0,
        published_monotonic_ns=0,
        epoch=epoch,
        start_sample=k * 1000,
        n_samples=5000,
        sample_rate_hz=RATE_HZ,
        captured_utc_ns=1_767_225_600 * S_NS + stop * 1_000_000,
        latency_ns=1,
        stages_ns={},
        gap_samples=0,
        model=model,
        level_dbfs=-20.0,
        peak_dbfs=-3.0,
        vector=np.array(vector, np.float32),
    )


def an_event(event, *, epoch=0, stream="a", session=SESSION):
    return EventMessage(
        stream=stream,
        session=session,
        sequence=0,
        published_utc_ns=0,
        published_monotonic_ns=0,
        event=event,
        epoch=epoch,
        at_sample=0,
    )


def a_labeller(head, **plan):
    return Labeller(head, DecisionSettings(**({"smoothing_s": 0} | plan)), clock=lambda: 7)


def push(labeller, *messages, now_ns=0):
    return [one for message in messages for one in labeller.push(message, now_ns=now_ns)]


def told(labelled):
    return [(s.state, s.label, s.start_sample, s.stop_sample, s.reason) for s in labelled.told]


def test_sounds_begin_go_on_and_end(head):
    vectors = [NEITHER, DOG, DOG, RAIN, NEITHER]
    labeller = a_labeller(head, off=0.55)
    found = push(labeller, *(an_embedding(k, vector) for k, vector in enumerate(vectors)))
    assert [one.label for one in found] == ["unknown", "dog", "dog", "rain", "unknown"]
    assert [[s[:2] for s in told(one)] for one in found] == [
        [],
        [("start", "dog")],
        [("on", "dog")],
        [("end", "dog"), ("start", "rain")],
        [("end", "rain")],
    ]
    assert found[2].probabilities.keys() == {"dog", "rain"}
    assert next(iter(found[2].probabilities)) == "dog"
    assert found[2].decided_ns == 7
    # The three stretches tile: each ends where the next begins.
    assert found[3].told[0].stop_sample == found[3].told[1].start_sample


@pytest.mark.parametrize("event", ["gap", "overflow", "overload", "reset", "model_change"])
def test_a_cut_ends_what_goes_on_and_the_mean_begins_anew(head, event):
    labeller = a_labeller(head, smoothing_s=100.0)
    push(labeller, an_embedding(0, DOG), an_embedding(1, DOG))
    (cut,) = push(labeller, an_event(event, epoch=1))
    assert told(cut) == [("end", "dog", 0, 6000, event)]
    assert (cut.label, cut.sounds, cut.only_changes) == ("unknown", (), True)
    assert cut.message.sequence == 1
    (after,) = push(labeller, an_embedding(9, RAIN, epoch=1))
    assert after.label == "rain"
    assert after.told[0].start_sample == 9000


def test_a_cut_whose_event_was_lost_is_seen_by_the_epoch(head):
    labeller = a_labeller(head)
    push(labeller, an_embedding(0, DOG))
    cut, after = push(labeller, an_embedding(9, DOG, epoch=1))
    assert told(cut) == [("end", "dog", 0, 5000, "gap")]
    assert told(after) == [("start", "dog", 9000, 11500, "")]


def test_the_end_of_a_stream_and_a_restarted_sender_end_its_sounds(head):
    labeller = a_labeller(head)
    push(labeller, an_embedding(0, DOG))
    (stop,) = push(labeller, an_event("stop"))
    assert told(stop) == [("end", "dog", 0, 5000, "stop")]
    assert push(labeller, an_event("stop")) == []
    push(labeller, an_embedding(0, DOG))
    restart, _ = push(labeller, an_embedding(0, DOG, session=bytes(15) + b"1"))
    assert told(restart) == [("end", "dog", 0, 5000, "restart")]


def test_a_stream_gone_silent_ends_its_sounds_once(head):
    labeller = a_labeller(head, hold_s=3.0)
    push(labeller, an_embedding(0, DOG), an_embedding(1, DOG))
    push(labeller, an_embedding(0, DOG, stream="b"), now_ns=2 * S_NS)
    assert labeller.tick(4 * S_NS) == []
    (silent,) = labeller.tick(4 * S_NS + 1)
    assert told(silent) == [("end", "dog", 0, 6000, "silent")]
    assert silent.message.stream == "a"
    assert labeller.tick(5 * S_NS) == []


def test_segments_that_did_not_come_for_long_are_not_bridged(head):
    labeller = a_labeller(head, hold_s=3.0)
    first = push(labeller, *(an_embedding(k, DOG) for k in (0, 1, 5)))
    assert [told(one)[0][0] for one in first] == ["start", "on", "on"]  # 4 s late by 3 s
    cut, after = push(labeller, an_embedding(13, DOG))
    assert told(cut)[0][-1] == "silent"
    assert told(after)[0][:2] == ("start", "dog")


def test_streams_do_not_know_of_one_another(head):
    labeller = a_labeller(head)
    found = push(labeller, an_embedding(0, DOG), an_embedding(0, RAIN, stream="b"))
    assert [one.label for one in found] == ["dog", "rain"]
    assert push(labeller, an_event("gap", epoch=1, stream="c")) == []
    assert [told(one)[0][-1] for one in labeller.flush()] == ["closed", "closed"]
    assert labeller.flush() == []


def test_a_sound_that_begins_and_ends_at_once_is_told_by_its_end(head):
    labeller = a_labeller(head, min_on_s=4.0)
    push(labeller, an_embedding(0, DOG))
    (one,) = labeller.flush()
    assert [sound.state for sound in one.changes] == ["start", "end"]
    assert told(one) == [("end", "dog", 0, 5000, "closed")]


def test_another_encoders_embeddings_are_refused(head):
    with pytest.raises(MismatchError):
        push(a_labeller(head), an_embedding(model=bytes(8)))


def test_the_table_shows_what_goes_on_and_since_when(tmp_path):
    named = write_linear_head(
        tmp_path / "odd.onnx", np.eye(2), np.zeros(2), ("[b]dog[/]", "a\x1b[2J"), DIGEST
    )
    labeller = a_labeller(named)
    found = push(labeller, *(an_embedding(k, DOG) for k in range(3)))
    found += push(labeller, an_embedding(0, NEITHER, stream="b"))
    console = Console(file=io.StringIO(), width=120)
    console.print(table({one.message.stream: one for one in found}))
    text = console.file.getvalue()
    assert "\x1b" not in text
    first, second = (line for line in text.splitlines() if "dBFS" in line)
    assert "[b]dog[/] 100% │ 7 s" in first
    assert "a [2J 0%" in first
    assert "unknown" in second


def heard(state="end", label="dog", *, k=1, reason="", stream="a"):
    sound = Sound(state, label, 1500, 2250, 0.75, reason)
    return Heard("scene", an_embedding(k, stream=stream), sound)


def test_audacity_reads_times_in_seconds_and_one_label_a_line():
    line = FORMATS[".txt"].line
    assert line(heard(), False) == "1.500000\t3.750000\tdog\n"
    assert line(heard(), True) == "1.500000\t3.750000\ta: dog\n"
    assert line(heard("start"), False) == ""
    assert line(heard(label="a\tb\nc\x1b[2J"), False) == "1.500000\t3.750000\ta b c [2J\n"


def test_csv_has_a_row_for_each_sound_with_its_time_of_day():
    kind = FORMATS[".csv"]
    text = kind.header + kind.line(heard(label='dog, "big"', reason="gap"), False)
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["label"] == 'dog, "big"'
    assert (row["stream"], row["head"], row["reason"]) == ("a", "scene", "gap")
    assert (row["start_s"], row["stop_s"], row["start_sample"]) == ("1.5", "3.75", "1500")
    assert row["start_utc"] == "2026-01-01T00:00:01.500Z"
    assert kind.line(heard("start"), False) == ""


def test_json_lines_tell_starts_too():
    line = FORMATS[".jsonl"].line
    start, end = json.loads(line(heard("start"), False)), json.loads(line(heard(), False))
    assert (start["event"], end["event"]) == ("start", "end")
    assert end["start_utc_ns"] == 1_767_225_601_500_000_000
    assert (end["n_samples"], end["sample_rate_hz"], end["session"]) == (2250, 1000, "00" * 16)


def lines_of(path):
    return path.read_text().splitlines()


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
def test_a_file_is_appended_to_and_a_line_cut_off_is_taken_back(tmp_path, suffix):
    path = tmp_path / f"sounds{suffix}"
    for _ in range(2):
        file = LabelFile(str(path), pytest.fail)
        file.write(heard())
        file.close()
    whole = path.read_text()
    n_headers = suffix == ".csv"
    assert len(lines_of(path)) == 2 + n_headers
    with path.open("a") as cut:
        cut.write("1.0\t2")
    file = LabelFile(str(path), pytest.fail)
    file.write(heard())
    file.close()
    assert path.read_text() == whole + whole.splitlines(keepends=True)[-1]


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
@pytest.mark.parametrize("content", ["my notes", "my notes\n", '{"a": 1}\n', "\n", "label,start\n"])
def test_nothing_is_appended_to_a_file_of_another_kind(tmp_path, suffix, content):
    path = tmp_path / f"other{suffix}"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="holds something else"):
        LabelFile(str(path), pytest.fail)
    assert path.read_text() == content


def test_other_names_and_places_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"must end in \.txt"):
        LabelFile("labels.xml", pytest.fail)
    with pytest.raises(ConfigurationError, match="cannot write"):
        LabelFile(str(tmp_path / "nowhere" / "labels.csv"), pytest.fail)


def test_streams_share_a_file_or_have_one_each(tmp_path):
    shared = LabelFile(str(tmp_path / "all.txt"), pytest.fail)
    each = LabelFile(str(tmp_path / "{stream}.txt"), pytest.fail)
    for stream in ("hall", "yard", "hall"):
        shared.write(heard(stream=stream))
        each.write(heard(stream=stream))
    shared.close()
    each.close()
    labels = [line.split("\t")[2] for line in lines_of(tmp_path / "all.txt")]
    assert labels == ["dog", "yard: dog", "dog"]
    assert len(lines_of(tmp_path / "hall.txt")) == 2
    assert len(lines_of(tmp_path / "yard.txt")) == 1


def test_one_streams_bad_file_does_not_end_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(labelfile, "FILES_MOST", 2)
    (tmp_path / "hall.csv").write_text("my notes")
    said = []
    each = LabelFile(str(tmp_path / "{stream}.csv"), said.append)
    for stream in ("hall", "hall", "yard", "attic", "attic", "cellar"):
        each.write(heard(stream=stream))
    each.close()
    assert len(said) == 2
    assert "hall.csv is there and holds something else" in said[0]
    assert "no more than 2 files; attic" in said[1]
    assert len(lines_of(tmp_path / "yard.csv")) == 2


def test_a_line_that_does_not_fit_is_taken_back_and_counted(tmp_path, monkeypatch):
    """As on a disk that is full, and has room again later."""
    file = LineFile(tmp_path / "x.txt", header="", recognises=lambda line: True)
    write, room = os.write, [100, 3, 0, 100]

    def short(descriptor, data):
        left = room.pop(0)
        if not left:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:left])

    monkeypatch.setattr(os, "write", short)
    assert [file.write(f"line {i}\n") for i in range(4)] == [True, False, False, True]
    assert (file.unwritten, file.error) == (2, "No space left on device")
    file.close()
    assert lines_of(tmp_path / "x.txt") == ["line 0", "line 3"]


def test_a_killed_writer_leaves_whole_lines_and_at_most_one_to_be_taken_back(tmp_path):
    path = tmp_path / "x.jsonl"
    script = (
        "import sys, pathlib; from streamdeep.labelling.linefile import LineFile\n"
        "file = LineFile(pathlib.Path(sys.argv[1]), header='', recognises=lambda line: True)\n"
        "while True: file.write('{\"text\": \"' + 5000 * 'x' + '\"}\\n')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as writer:
        while not path.exists() or path.stat().st_size < 1_000_000:
            assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
    n_whole = path.read_bytes().count(b"\n")
    LineFile(path, header="", recognises=lambda line: True).close()
    assert path.read_text().endswith("\n")
    assert [len(json.loads(line)["text"]) for line in lines_of(path)] == [5000] * n_whole
