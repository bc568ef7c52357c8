"""Teaching without sockets: names, examples, what is learnt of them, and the head that carries them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamdeep import onnxfile
from streamdeep.errors import ConfigurationError, MismatchError, ModelError, SourceError
from streamdeep.heads.head import load_head
from streamdeep.heads.settings import DecisionSettings
from streamdeep.teaching import examples as examples_module
from streamdeep.teaching.classifiers import Rows, logistic, prototypes
from streamdeep.teaching.clips import add_labelled, class_folders
from streamdeep.teaching.example import Meaning, Place
from streamdeep.teaching.examples import Examples
from streamdeep.teaching.headfile import load_taught, save_head
from streamdeep.teaching.judging import judge
from streamdeep.teaching.labels import read_labels
from streamdeep.teaching.learner import learn
from streamdeep.teaching.similar import nearest_to
from streamdeep.teaching.teacher import Teacher
from streamdeep.wire.kinds import EmbeddingMessage, EventMessage, ModelMessage

ENCODER, DIM, RATE_HZ, SEGMENT, HOP = bytes(range(32)), 6, 1000, 500, 100
GOLDEN = Path(__file__).parent / "golden" / "taught_v1.onnx"


def vector(label, number=0):
    """Around a corner of its own, and never twice the same."""
    random = np.random.default_rng([sum(label.encode()), number])
    corner = 3.0 * np.random.default_rng(sum(label.encode())).standard_normal(DIM)
    return (corner + 0.3 * random.standard_normal(DIM)).astype(np.float32)


def place(start, source="s", n_samples=SEGMENT):
    return Place(source, "", start, n_samples, RATE_HZ)


def taught(*named, apart=10_000):
    """Examples of takes, ``(meaning, segments)`` each, far from each other."""
    examples = Examples(ENCODER, DIM)
    for index, (meaning, n_segments) in enumerate(named):
        meaning = meaning if isinstance(meaning, Meaning) else Meaning(meaning)
        take = examples.name(meaning)
        found = [
            (vector(meaning.taught_as, 100 * index + n), place(index * apart + n * HOP))
            for n in range(n_segments)
        ]
        examples.add(take, found, ENCODER)
    return examples


def header(**values):
    return {
        "stream": "room", "session": bytes(16), "sequence": 0, "published_utc_ns": 0,
        "published_monotonic_ns": 0, **values,
    }  # fmt: skip


def model_message(digest=ENCODER):
    return ModelMessage(
        **header(), digest=digest, name="m", dim=DIM, sample_rate_hz=1, hop_samples=1, window_samples=1,
        segment_frames=1, segment_hop_frames=1, source_rate_hz=1, source_channels=1, incremental=True,
        frontend_json="", version="",
    )  # fmt: skip


def heard(index, *, session=bytes(16), model=ENCODER[:8], label="a"):
    return EmbeddingMessage(
        **header(session=session), epoch=0, start_sample=index * HOP, n_samples=SEGMENT,
        sample_rate_hz=RATE_HZ, captured_utc_ns=7, latency_ns=0, stages_ns={}, gap_samples=0,
        model=model, level_dbfs=0.0, peak_dbfs=0.0, vector=vector(label, index),
    )  # fmt: skip


def teacher_that_heard(n_segments, **options):
    teacher = Teacher(**options)
    teacher.push(model_message(), now_ns=0)
    for index in range(n_segments):
        teacher.push(heard(index), now_ns=0)
    return teacher


def starts(examples):
    return [one.place.start_sample for one in examples.all]


# --- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["", " a", "a\n", "a\x1b[2J", "x" * 65])
def test_a_label_that_cannot_be_printed_or_is_too_long_is_refused(label):
    with pytest.raises(ConfigurationError, match="class"):
        Meaning(label)


def test_not_unknown_says_nothing():
    with pytest.raises(ConfigurationError, match="says nothing"):
        Meaning("unknown", negative=True)


@given(heard_before=st.integers(1, 30), start=st.integers(0, 3000), length=st.integers(1, 2000))
def test_what_becomes_an_example_does_not_depend_on_when_it_was_named(heard_before, start, length):
    teacher = teacher_that_heard(heard_before)
    teacher.name("room", Meaning("a"), start, start + length)
    for index in range(heard_before, 60):
        teacher.push(heard(index), now_ns=0)
    centres = [index * HOP + SEGMENT // 2 for index in range(60)]
    inside = [c - SEGMENT // 2 for c in centres if start <= c < start + length]
    middle = (2 * start + length) // 2
    nearest = min(centres, key=lambda c: (abs(c - middle), c)) - SEGMENT // 2
    assert starts(teacher.examples) == (inside or [nearest])
    assert not teacher.waiting()


def test_the_last_seconds_get_segments_that_come_later():
    teacher = teacher_that_heard(20)
    now = 19 * HOP + SEGMENT
    take = teacher.name_last("room", Meaning("a"), 0.6, now_ns=0)
    assert starts(teacher.examples) == [s for s in range(0, 2000, HOP) if s + 250 >= now - 600]
    assert teacher.waiting() == {take: len(teacher.examples)}
    assert sum(teacher.push(heard(index), now_ns=0) for index in range(20, 40)) == 2
    assert starts(teacher.examples)[-1] + SEGMENT // 2 < now


def test_a_name_that_goes_on_ends_where_it_is_ended():
    teacher = teacher_that_heard(10)
    take = teacher.begin("room", Meaning("a"), now_ns=0)
    assert teacher.going_on("room") == Meaning("a")
    for index in range(10, 20):
        teacher.push(heard(index), now_ns=0)
    assert teacher.end("room", now_ns=0) == take
    assert teacher.end("room", now_ns=0) is None
    for index in range(20, 40):
        teacher.push(heard(index), now_ns=0)
    begun, ended = 9 * HOP + SEGMENT, 19 * HOP + SEGMENT
    assert [begun <= s + SEGMENT // 2 < ended for s in starts(teacher.examples)] == [True] * 10


def test_now_is_at_most_one_step_after_what_was_heard():
    teacher = teacher_that_heard(10)
    newest = 9 * HOP + SEGMENT
    assert teacher.memory["room"].sample_at(50_000_000) == newest + 50
    assert teacher.memory["room"].sample_at(10**12) == newest + HOP


def test_a_name_does_not_go_on_in_another_session():
    teacher = teacher_that_heard(5)
    teacher.begin("room", Meaning("a"), now_ns=0)
    for index in range(5, 12):
        teacher.push(heard(index), now_ns=0)
    teacher.push(heard(20, session=bytes(15) + b"1"), now_ns=0)
    assert teacher.going_on("room") is None
    assert {one.place.session for one in teacher.examples.all} == {bytes(16).hex()}


def test_the_end_of_a_stream_ends_its_names():
    teacher = teacher_that_heard(5)
    teacher.name("room", Meaning("a"), 5000, 6000)
    stop = EventMessage(**header(), event="stop", epoch=0, at_sample=900)
    assert teacher.push(stop, now_ns=0) == 0
    assert not teacher.waiting()


def test_what_was_forgotten_cannot_be_named():
    teacher = teacher_that_heard(50, keep_s=1.0)
    assert len(teacher.memory["room"].segments) < 20
    with pytest.raises(ConfigurationError, match="longer ago"):
        teacher.name("room", Meaning("a"), 0, 300)
    with pytest.raises(ConfigurationError, match="nothing was heard of"):
        teacher.name("attic", Meaning("a"), 0, 300)


def test_many_streams_are_not_remembered_for_ever():
    teacher = Teacher()
    teacher.push(model_message(), now_ns=0)
    for number in range(200):
        teacher.push(replace(heard(0), stream=f"s{number}"), now_ns=0)
    assert len(list(teacher.memory)) == 64
    assert "s199" in teacher.memory


def test_another_encoder_is_refused():
    teacher = teacher_that_heard(2)
    with pytest.raises(MismatchError, match="teach another head"):
        teacher.push(heard(3, model=bytes(8)), now_ns=0)
    with pytest.raises(MismatchError):
        teacher.push(model_message(digest=bytes(32)), now_ns=0)


# --- examples ----------------------------------------------------------------------------------------------


class Steps(RuleBasedStateMachine):
    """Any order of steps, beside a history of plain maps."""

    def __init__(self):
        super().__init__()
        self.examples = Examples(ENCODER, DIM)
        self.states = [{}]  # take: meaning
        self.segments = {}  # take: places
        self.made = 0

    @rule(label=st.sampled_from("abc"), negative=st.booleans())
    def name(self, label, negative):
        take = self.examples.name(Meaning(label, negative))
        assert take == self.made
        self.made += 1
        self.segments[take] = []
        self.states.append({**self.states[-1], take: Meaning(label, negative)})

    @precondition(lambda self: self.made)
    @rule(data=st.data(), numbers=st.lists(st.integers(0, 8), max_size=4))
    def add(self, data, numbers):
        take = data.draw(st.integers(0, self.made - 1))
        found = [(vector("v", number), place(number)) for number in numbers]
        self.examples.add(take, found, ENCODER)
        if take in self.states[-1]:
            new = [n for n in dict.fromkeys(numbers) if n not in self.segments[take]]
            self.segments[take] += new

    @precondition(lambda self: self.states[-1])
    @rule(data=st.data(), label=st.sampled_from("abc"))
    def relabel(self, data, label):
        take = data.draw(st.sampled_from(sorted(self.states[-1])))
        self.examples.relabel(take, Meaning(label))
        self.states.append({**self.states[-1], take: Meaning(label)})

    @precondition(lambda self: self.states[-1])
    @rule(data=st.data())
    def remove(self, data):
        take = data.draw(st.sampled_from(sorted(self.states[-1])))
        self.examples.remove(take)
        self.states.append({t: m for t, m in self.states[-1].items() if t != take})

    @rule()
    def undo(self):
        assert self.examples.undo() == (len(self.states) > 1)
        if len(self.states) > 1:
            self.states.pop()

    @invariant()
    def is_as_told(self):
        assert self.examples.takes == self.states[-1]
        owner = {n: take for take in sorted(self.states[-1]) for n in self.segments[take]}
        found = {one.place.start_sample: one for one in self.examples.all}
        assert {n: one.take for n, one in found.items()} == owner
        assert len(found) == len(self.examples.all)
        assert all(one.meaning == self.states[-1][one.take] for one in found.values())


Steps.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestSteps = Steps.TestCase


def test_what_cannot_be_brought_back_any_more_is_let_go_of():
    examples = taught(("a", 5))
    examples.remove(0)
    assert examples._n_segments == 5
    for _ in range(examples_module.STEPS_MOST):
        examples.name(Meaning("b"))
    assert examples._n_segments == 0


def test_too_many_are_refused_and_nothing_has_changed(monkeypatch):
    monkeypatch.setattr(examples_module, "EXAMPLES_MOST", 3)
    examples = taught(("a", 3))
    with pytest.raises(ConfigurationError, match="too many to teach from, at most 3"):
        examples.add(0, [(vector("a"), place(9))], ENCODER)
    assert len(examples) == 3
    monkeypatch.setattr(examples_module, "CLASSES_MOST", 1)
    with pytest.raises(ConfigurationError, match="too many"):
        examples.name(Meaning("b"))
    assert list(examples.takes) == [0]


def test_vectors_of_another_length_or_encoder_are_refused():
    examples = taught(("a", 1))
    with pytest.raises(ValueError, match="shape"):
        examples.add(0, [(np.zeros(DIM + 1, np.float32), place(9))], ENCODER)
    with pytest.raises(MismatchError):
        examples.add(0, [(vector("a"), place(9))], bytes(8))
    with pytest.raises(ConfigurationError, match="nothing to correct"):
        examples.relabel(7, Meaning("b"))


# --- learning ----------------------------------------------------------------------------------------------


def test_one_class_alone_teaches_nothing():
    for named in ((), (("a", 3),), (("a", 3), ("a", 2))):
        with pytest.raises(ConfigurationError, match="two are needed"):
            learn(taught(*named))


def test_one_example_of_each_is_enough_and_nobody_claims_to_know_how_good_it_is():
    learnt = learn(taught(("a", 1), ("b", 1), ("c", 1)))
    assert (learnt.method, learnt.accuracy, learnt.calibrated) == ("prototypes", None, False)
    decided = learnt.linear.logits(np.stack([vector(x, 999) for x in "abc"])).argmax(axis=1)
    assert decided.tolist() == [0, 1, 2]
    assert {score.judged for score in learnt.scores.values()} == {0}


def test_unknown_and_what_is_not_a_class_are_one_class_and_the_last():
    examples = taught(("unknown", 1), ("a", 2), (Meaning("a", negative=True), 2), ("b", 2))
    learnt = learn(examples)
    assert learnt.labels == ("a", "b", "unknown")
    assert Meaning("a", negative=True) in learnt.scores
    # `classify` never tells a class of this name.
    assert DecisionSettings().thresholds(learnt.labels).reported.tolist() == [True, True, False]


def test_what_is_not_a_class_is_right_as_anything_but_that_class():
    rows = Rows(
        vectors=np.array([[0.0], [0.1], [5.0], [5.1], [5.2], [9.0], [9.1]]),
        classes=np.array([0, 0, 1, 1, 2, 2, 2]),
        takes=np.arange(7),
        sources=np.arange(7),
        starts=np.zeros(7, dtype=np.int64),
        stops=np.ones(7, dtype=np.int64),
    )
    not_a = Meaning("a", negative=True)
    meanings = [Meaning(x) for x in "aabb"] + [not_a, Meaning("unknown"), Meaning("unknown")]
    found = judge(rows, meanings, ("a", "b", "unknown"), prototypes)
    assert found.scores[not_a].right == 1  # it is decided as b, which is not a


def test_a_sound_is_never_judged_by_itself():
    """Noise has nothing to be learnt from, and segments of a take are nearly equal: only by itself could it be right."""
    random, examples = np.random.default_rng(0), Examples(ENCODER, DIM)
    for number in range(60):
        take = examples.name(Meaning("ab"[number % 2]))
        same = random.standard_normal(DIM).astype(np.float32)
        # Takes of one class that overlap are the same sound too.
        found = [(same, place(1000 * (number // 4) + 100 * (number % 2) + n)) for n in range(5)]
        examples.add(take, found, ENCODER)
    assert 0.2 < learn(examples).accuracy < 0.8


def test_background_by_the_hour_does_not_outvote_three_calls():
    examples = taught(("a", 1), ("a", 1), ("a", 1), ("unknown", 400), ("unknown", 5))
    learnt = learn(examples)
    assert learnt.scores[Meaning("a")].accuracy == 1.0


@pytest.mark.parametrize("fit", [prototypes, logistic])
def test_a_classifier_does_not_depend_on_units_or_on_what_all_classes_share(fit):
    random = np.random.default_rng(0)
    vectors, numbers = random.standard_normal((12, 4)), np.arange(12)
    rows = Rows(vectors, numbers % 3, numbers, numbers, 0 * numbers, 0 * numbers + 1)
    scale, shift = np.array([1e-3, 1.0, 7.0, 1e4]), np.array([3.0, -1e3, 0.0, 5e4])
    moved = replace(rows, vectors=vectors * scale + shift)
    queries = random.standard_normal((50, 4))
    there = fit(moved).logits(queries * scale + shift)
    # The spread's floor is the one thing with a unit.
    assert (there.argmax(axis=1) == fit(rows).logits(queries).argmax(axis=1)).mean() > 0.6
    assert np.allclose(fit(rows).logits(queries).mean(axis=1), there.mean(axis=1) * 0, atol=1e-6)


def test_logistic_regression_is_the_same_in_the_space_that_the_rows_span():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(1)
    vectors, numbers = random.standard_normal((15, 40)), np.arange(15)
    rows = Rows(vectors, numbers % 3, numbers, numbers, 0 * numbers, 0 * numbers + 1)
    variances = vectors.var(axis=0)
    scale = np.sqrt(variances + 0.1 * np.median(variances))
    standard = (vectors - vectors.mean(axis=0)) / scale
    plain = LogisticRegression(C=1 / 40, max_iter=500, tol=1e-9).fit(standard, numbers % 3)
    expected = plain.decision_function(standard)
    assert np.allclose(logistic(rows).logits(vectors), expected - expected.mean(), atol=2e-3)


def test_equal_vectors_of_two_classes_are_no_error():
    examples = Examples(ENCODER, DIM)
    for index, label in enumerate("abab"):
        found = [(np.ones(DIM, np.float32), place(1000 * index))]
        examples.add(examples.name(Meaning(label)), found, ENCODER)
    learnt = learn(examples)
    assert np.isfinite(learnt.linear.weight).all()
    assert np.isfinite(learnt.linear.bias).all()


def test_without_scikit_learn_prototypes_are_taken_and_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.linear_model", None)
    learnt = learn(taught(("a", 2), ("a", 2), ("b", 2), ("b", 2)))
    assert (learnt.method, list(learnt.accuracies)) == ("prototypes", ["prototypes"])
    assert "streamdeep[heads]" in learnt.note


# --- the head's file ----------------------------------------------------------------------------------------


def test_a_head_goes_on_where_it_ended(tmp_path):
    examples = taught(("a", 3), ("b", 2), (Meaning("a", negative=True), 2), ("unknown", 1))
    examples.remove(1)
    examples.undo()
    head = save_head(tmp_path / "h.onnx", learn(examples), examples)
    again, back = load_taught(tmp_path / "h.onnx")
    assert (back.encoder, back.dim, back.takes) == (ENCODER, DIM, examples.takes)
    for ours, theirs in zip(examples.all, back.all, strict=True):
        assert (ours.meaning, ours.place, ours.take) == (theirs.meaning, theirs.place, theirs.take)
        assert np.array_equal(ours.vector, theirs.vector)
    assert back.name(Meaning("c")) == 4
    twice = save_head(tmp_path / "again.onnx", learn(back), back, name="h")
    assert (head.name, again.digest) == ("h", twice.digest)


def test_what_the_head_says_is_what_was_learnt(tmp_path):
    examples = taught(("a", 3), ("a", 3), ("b", 2), ("b", 4))
    learnt = learn(examples)
    head = save_head(tmp_path / "h.onnx", learnt, examples)
    rows = examples.vectors()
    logits = learnt.linear.logits(rows)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = head.probabilities(rows)
    assert np.allclose(found, expected, atol=1e-5)
    assert all(
        np.array_equal(head.probabilities(row[None])[0], one)
        for row, one in zip(rows, found, strict=True)
    )


def test_a_head_can_be_handed_on_without_examples(tmp_path):
    examples = taught(("a", 3), ("b", 2))
    save_head(tmp_path / "h.onnx", learn(examples), examples, keep=False)
    head, nothing = load_taught(tmp_path / "h.onnx")
    assert nothing is None
    assert head.contract.extensions == {}


def test_a_head_that_was_trained_elsewhere_has_no_examples():
    assert load_taught(load_head_path())[1] is None


def load_head_path():
    from streamdeep.heads.head import default_head_path

    return default_head_path()


def rewritten(path, change):
    """The same file with other examples, and a digest that fits."""
    model = onnx.load(path)
    for prop in model.metadata_props:
        if prop.key == onnxfile.HEAD_KEY:
            contract = json.loads(prop.value)
            change(contract["extensions"]["teaching"])
            prop.value = json.dumps(contract)
    path.write_bytes(onnxfile.seal(model))


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept.update(format=2),
        lambda kept: kept["label"].pop(),
        lambda kept: kept["label"].__setitem__(0, "a\x1b"),
        lambda kept: kept["n_samples"].__setitem__(0, 0),
        lambda kept: kept["start_sample"].__setitem__(0, -1),
        lambda kept: kept.update(surprise=1),
        lambda kept: kept.update(vectors=3),
        lambda kept: kept["vectors"].update(shape=[2, 15]),
        lambda kept: kept["vectors"].update(base64="!" * len(kept["vectors"]["base64"])),
        lambda kept: kept["vectors"].update(shape=[5, DIM], base64="AADAfw==" * 15 + "AADAfw=="),
    ],
    ids="newer uneven label length place unknown_key no_vectors shape digits not_finite".split(),
)
def test_examples_that_cannot_be_used_are_refused_in_one_line(tmp_path, change):
    examples = taught(("a", 3), ("b", 2))
    save_head(tmp_path / "h.onnx", learn(examples), examples)
    rewritten(tmp_path / "h.onnx", change)
    load_head(tmp_path / "h.onnx")  # as a head it is as good as ever
    with pytest.raises(ModelError, match=r"h\.onnx carries examples") as refused:
        load_taught(tmp_path / "h.onnx")
    assert "\n" not in str(refused.value)


def test_a_damaged_head_is_refused(tmp_path):
    examples = taught(("a", 3), ("b", 2))
    save_head(tmp_path / "h.onnx", learn(examples), examples)
    content = bytearray((tmp_path / "h.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "h.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load_taught(tmp_path / "h.onnx")


def test_a_full_disk_leaves_the_old_head_and_nothing_half(tmp_path, monkeypatch):
    examples = taught(("a", 3), ("b", 2))
    learnt, path = learn(examples), tmp_path / "h.onnx"
    save_head(path, learnt, examples)
    before = path.read_bytes()
    examples.name(Meaning("c"))

    def full(self, content):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        save_head(path, learnt, examples)
    assert [one.name for one in tmp_path.iterdir()] == ["h.onnx"]
    assert path.read_bytes() == before


def test_a_head_needs_a_name_that_the_wire_knows(tmp_path):
    examples = taught(("a", 3), ("b", 2))
    learnt = learn(examples)
    assert save_head(tmp_path / "My Head.onnx", learnt, examples).name == "taught"
    with pytest.raises(ConfigurationError, match="cannot name a head"):
        save_head(tmp_path / "h.onnx", learnt, examples, name="My Head")


def test_format_1_is_read_for_ever():
    head, examples = load_taught(GOLDEN)
    assert head.contract.labels == ("kettle", "dog", "unknown")
    assert [(str(m), t) for t, m in examples.takes.items()] == [
        ("kettle", 0), ("not kettle", 1), ("dog", 2), ("unknown", 3),
    ]  # fmt: skip
    assert examples.all[0].place == Place("desk.mic", "ab" * 16, 1 << 60, 500, 44100, 1 << 62)
    expected = np.arange(24, dtype=np.float32).reshape(6, 4) ** 2 / 7
    assert np.array_equal(examples.vectors(), expected)
    assert np.allclose(head.probabilities(expected).sum(axis=1), 1.0)


# --- label files, folders, similar sounds ----------------------------------------------------------------------


def test_labels_are_read_as_classify_and_audacity_write_them(tmp_path):
    (tmp_path / "l.txt").write_text("0.5\t1.25\tdog\n\\\t100\t200\n2\t2\tnot dog\n", "utf-8-sig")
    head = "stream,head,label,start_s,stop_s,start_utc,confidence,reason,start_sample,n_samples,sample_rate_hz,session\n"
    (tmp_path / "l.csv").write_text(f"{head}room,h,dog,0.5,1.25,,0.9,,22,33,44,ab\n")
    lines = [
        {"event": event, "stream": "room", "label": "dog", "start_s": 0.5, "stop_s": 1.25}
        for event in ("start", "end")
    ]
    (tmp_path / "l.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = read_labels(tmp_path / "l.txt")
    assert [(str(one.meaning), one.start_s, one.stop_s) for one in text] == [
        ("dog", 0.5, 1.25), ("not dog", 2.0, 2.0),
    ]  # fmt: skip
    assert text[0].samples(44) == (22, 55)
    assert text[1].samples(44) == (88, 89)
    (table,), (event,) = read_labels(tmp_path / "l.csv"), read_labels(tmp_path / "l.jsonl")
    assert table.samples(44) == (22, 55)
    assert table.samples(88) == (44, 110)
    assert (table.stream, event.stream, event.exact) == ("room", "room", None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.txt", b""),
        ("l.txt", b"\xff\xfe"),
        ("l.txt", b"1\t2\n"),
        ("l.txt", b"2\t1\tdog\n"),
        ("l.txt", b"nan\t1\tdog\n"),
        ("l.txt", b"0\tinf\tdog\n"),
        ("l.txt", b"0\t1\tx\x1b[2J\n"),
        ("l.csv", b"a,b\n1,2\n"),
        ("l.csv", b"label,start_s,stop_s\ndog,0,x\n"),
        ("l.csv", b"label,start_s,stop_s\n" + b"x" * 200_000 + b",0,1\n"),
        ("l.jsonl", b"[]\n"),
        ("l.jsonl", b"{\n"),
        ("l.jsonl", b'{"label":"a","start_s":0,"stop_s":1,"start_sample":Infinity,"n_samples":1,"sample_rate_hz":1}\n'),
    ],
)  # fmt: skip
def test_what_is_no_label_file_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as refused:
        read_labels(tmp_path / name)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value)


def test_labels_of_a_recording_become_takes_and_the_rest_background(tmp_path):
    from streamdeep.records import Embedding

    found = [
        Embedding(vector("a", n), 0, n * HOP, SEGMENT, RATE_HZ, -20.0, -3.0) for n in range(40)
    ]
    (tmp_path / "l.txt").write_text("1\t1.5\tdog\n2.5\t2.6\tcat\n90\t91\tdog\n")
    examples = Examples(ENCODER, DIM)
    labels = read_labels(tmp_path / "l.txt")
    assert add_labelled(examples, "f", found, labels, rest_is_unknown=True) == [labels[2]]
    by_meaning = {}
    for one in examples.all:
        by_meaning.setdefault(str(one.meaning), []).append(one.place.start_sample)
    assert by_meaning["dog"] == [800, 900, 1000, 1100, 1200]
    assert by_meaning["cat"] == [2300]
    free = [s for s in range(0, 4000, HOP) if not (s < 1500 and s + SEGMENT > 1000)]
    assert by_meaning["unknown"] == [s for s in free if not (s < 2600 and s + SEGMENT > 2500)]
    assert len(examples.takes) == 5  # before, between and after them


def test_folders_are_classes(tmp_path):
    for name in ("dog", "not dog", "not here", "unknown", ".git"):
        (tmp_path / name).mkdir()
    assert [str(meaning) for _, meaning in class_folders(tmp_path)] == [
        "dog", "not dog", "not here", "unknown",
    ]  # fmt: skip
    assert [meaning.negative for _, meaning in class_folders(tmp_path)] == [
        False,
        True,
        False,
        False,
    ]
    with pytest.raises(SourceError, match="sub-folders"):
        class_folders(tmp_path / "dog")


@given(
    rows=st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=30),
    n_most=st.integers(1, 8),
    cuts=st.lists(st.integers(0, 30), max_size=4),
)
def test_the_nearest_are_the_nearest_however_they_are_cut(rows, n_most, cuts):
    vectors, query = np.array(rows, dtype=np.float32), np.array([1, 2, -1], dtype=np.float32)
    found = nearest_to(query, np.split(vectors, sorted(min(c, len(rows)) for c in cuts)), n_most)
    assert found == nearest_to(query, [vectors], n_most)
    assert found.looked_at == len(rows)
    wide = vectors.astype(np.float64)
    lengths = np.sqrt((wide**2).sum(axis=1))
    cosines = np.where(lengths > 0, wide @ query / np.maximum(lengths, 1e-9) / np.sqrt(6.0), -1.0)
    best = np.sort(cosines)[::-1]
    assert np.allclose(found.similarities, best[:n_most])
    equal = np.isclose(cosines, found.similarities[-1], atol=1e-9).sum()
    kept = np.isclose(found.similarities, found.similarities[-1], atol=1e-9).sum()
    assert found.ties <= equal - kept
    same = (vectors == vectors[found.indices[-1]]).all(axis=1).sum()
    shown = sum((vectors[i] == vectors[found.indices[-1]]).all() for i in found.indices)
    assert found.ties >= same - shown  # equal vectors are told of, if they are left out


def test_nothing_is_like_silence_of_all_zeros():
    with pytest.raises(ValueError, match="nothing is like it"):
        nearest_to(np.zeros(3, np.float32), [np.ones((2, 3), np.float32)], 1)
    with pytest.raises(MismatchError):
        nearest_to(np.ones(3, np.float32), [np.ones((2, 4), np.float32)], 1)
