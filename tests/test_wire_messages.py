"""Protocol version 1: every message survives the wire, and no bytes whatever break the reader."""

import json
import math
import struct
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamdeep.errors import MessageError
from streamdeep.records import Flag, NoveltyScale, Sound
from streamdeep.wire import messages
from streamdeep.wire.audiokinds import FORMATS, STATES, AudioMessage, CreditMessage
from streamdeep.wire.framekinds import FramesMessage
from streamdeep.wire.kinds import STAGES
from streamdeep.wire.messages import (
    ClockPoint,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    ModelMessage,
    StatusMessage,
    pack,
    stream_name,
    topic_of,
    unpack,
)
from streamdeep.wire.topics import is_name, parse_topic

GOLDEN = Path(__file__).parent / "golden" / "wire_v1"

names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,63}", fullmatch=True)
counts = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
floats = st.floats(allow_nan=False, allow_infinity=False)
flags = st.integers(0, 2**32 - 1).map(lambda bits: Flag(bits & ~Flag.EARLY))
common = {
    "stream": names,
    "session": st.binary(min_size=16, max_size=16),
    "sequence": counts,
    "published_utc_ns": counts,
    "published_monotonic_ns": counts,
}
place = {
    "epoch": counts,
    "start_sample": st.integers(0, 2**62),
    "n_samples": st.integers(0, 2**62),
    "sample_rate_hz": st.integers(1, 2**63 - 1),
    "captured_utc_ns": counts,
    "model": st.binary(min_size=8, max_size=8),
}
vectors = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40
).map(lambda values: np.array(values, np.float32))
embeddings = st.builds(
    EmbeddingMessage,
    **common,
    **place,
    flags=st.tuples(flags, st.sampled_from([Flag(0), Flag.EARLY])).map(
        lambda both: both[0] | both[1]
    ),
    latency_ns=counts,
    stages_ns=st.fixed_dictionaries(dict.fromkeys(STAGES, counts)),
    gap_samples=counts,
    level_dbfs=floats,
    peak_dbfs=floats,
    vector=vectors,
    novelty=st.none() | floats,
    gain_db=floats,
)
events = st.builds(
    EventMessage,
    **common,
    flags=flags,
    event=st.sampled_from(
        ["start", "stop", "gap", "overflow", "reset", "model_change", "of_later"]
    ),
    epoch=counts,
    at_sample=counts,
    n_samples=counts,
    reason=texts,
    estimated=st.booleans(),
)
any_count = st.integers(-(2**63), 2**63 - 1)
statuses = st.builds(
    StatusMessage,
    **common,
    flags=flags,
    sequences=st.dictionaries(texts, st.integers(-1, 2**63 - 1), max_size=8),
    counters=st.dictionaries(
        texts, any_count | st.dictionaries(texts, any_count, max_size=4), max_size=8
    ),
    clock=st.builds(ClockPoint, sample=counts, monotonic_ns=counts, utc_ns=counts, rate_hz=counts),
    host=texts,
    uptime_s=st.floats(0, 1e12),
    live=st.booleans(),
)
sizes = st.integers(1, 2**63 - 1)
models = st.builds(
    ModelMessage,
    **common,
    flags=flags,
    digest=st.binary(min_size=32, max_size=32),
    name=texts,
    dim=sizes,
    sample_rate_hz=sizes,
    hop_samples=sizes,
    window_samples=sizes,
    segment_frames=sizes,
    segment_hop_frames=sizes,
    source_rate_hz=sizes,
    source_channels=sizes,
    incremental=st.booleans(),
    frontend_json=texts,
    version=texts,
    novelty=st.none()
    | st.lists(st.floats(0.001, 0.999), min_size=1, max_size=8, unique=True).map(
        lambda levels: NoveltyScale(
            tuple(sorted(levels)), tuple(0.5 + place for place in range(len(levels)))
        )
    ),
)
sounds = st.builds(
    Sound,
    state=st.sampled_from(["start", "on", "end", "of_later"]),
    label=texts,
    start_sample=counts,
    n_samples=counts,
    confidence=st.floats(0, 1),
    reason=texts,
)
labels = st.builds(
    LabelMessage,
    **common,
    **place,
    flags=flags,
    head=names,
    label=texts,
    probabilities=st.dictionaries(texts, st.floats(0, 1), max_size=8),
    sounds=st.none() | st.lists(sounds, max_size=4).map(tuple),
    novelty=st.none() | floats,
    novelty_rate=st.none() | st.floats(0, 1),
    novel=st.none() | st.booleans(),
    drifting=st.none() | st.booleans(),
)
audios = st.builds(
    lambda size, **more: AudioMessage(
        **more,
        n_samples=size[0],
        channels=size[1],
        format=size[2],
        pcm=bytes(size[0] * size[1] * FORMATS[size[2]]),
    ),
    size=st.tuples(st.integers(0, 20), st.integers(1, 64), st.sampled_from(sorted(FORMATS))),
    **common,
    flags=flags,
    epoch=counts,
    start_sample=st.integers(0, 2**62),
    sample_rate_hz=st.integers(1, 2**63 - 1),
    captured_utc_ns=counts,
    captured_monotonic_ns=counts,
    host=texts,
    gap_samples=st.integers(0, 2**62),
)
credits = st.builds(
    CreditMessage,
    **common,
    flags=flags,
    to=st.binary(min_size=16, max_size=16),
    state=st.sampled_from(STATES),
    taken_sample=counts,
    limit_sample=counts,
    reason=texts,
)
frames = st.builds(
    FramesMessage,
    **common,
    flags=flags,
    epoch=counts,
    start_sample=counts,
    n_samples=counts,
    sample_rate_hz=st.integers(1, 2**63 - 1),
    captured_utc_ns=counts,
    model=st.binary(min_size=8, max_size=8),
    start_frame=counts,
    hop_samples=st.integers(1, 2**63 - 1),
    low=st.floats(-200, -101),
    high=st.floats(-100, 100),
    levels=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 40))),
)
RAW = ("embedding.bin", "early.bin", "audio.bin", "frames.bin")
KINDS = {
    "audio": audios,
    "credit": credits,
    "embedding": embeddings,
    "event": events,
    "status": statuses,
    "model": models,
    "label": labels,
    "frames": frames,
}


def described(message):
    """A message as plain JSON."""
    found = {"kind": type(message).__name__}
    for field in fields(message):
        value = getattr(message, field.name)
        if isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, Flag):
            value = int(value)
        elif isinstance(value, np.ndarray):
            value = value.tolist()
        elif isinstance(value, ClockPoint):
            value = {
                key: getattr(value, key) for key in ("sample", "monotonic_ns", "utc_ns", "rate_hz")
            }
        elif isinstance(value, tuple):
            value = [asdict(sound) for sound in value]
        elif is_dataclass(value):
            value = {key: list(numbers) for key, numbers in asdict(value).items()}
        found[field.name] = value
    return found


def golden(name):
    data, frames = (GOLDEN / name).read_bytes(), []
    while data:
        (length,) = struct.unpack_from("<I", data)
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    return frames


def an_embedding(**changes):
    return replace(unpack(golden("embedding.bin")), **changes)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_message_survives_the_wire(kind, data):
    message = data.draw(KINDS[kind])
    frames = pack(message)
    found = unpack(frames)
    assert type(found) is type(message)
    assert described(found) == described(message)
    assert pack(found) == frames
    assert frames[0] == topic_of(message).encode()


def test_the_early_flag_decides_the_topic():
    message = an_embedding(flags=Flag.EARLY)
    assert topic_of(message) == "early/host.mic/"
    frames = pack(message)
    with pytest.raises(MessageError, match=r"header: flags"):
        unpack([b"embedding/host.mic/", *frames[1:]])


def test_a_vector_is_read_only_float32_and_its_samples_end_where_they_say():
    message = unpack(golden("embedding.bin"))
    assert message.vector.dtype == np.float32
    assert not message.vector.flags.writeable
    assert message.stop_sample == message.start_sample + message.n_samples


@pytest.mark.parametrize(
    "name", sorted(json.loads((GOLDEN / "messages.json").read_text())["messages"])
)
def test_released_bytes_mean_for_ever_what_they_meant(name):
    expected = json.loads((GOLDEN / "messages.json").read_text())["messages"][name]
    message = unpack(golden(name))
    assert described(message) == expected
    assert pack(message) == golden(name)


@settings(max_examples=600, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
@example([b"embedding/a/", b"\xdd\xff\xff\xff\xff", b""])
@example([b"event/a/", b"\x80", b"\xdf\xff\xff\xff\xff"])
@example([b"event/a/", b"\x91" * 16000, b""])
def test_no_bytes_break_the_reader(frames):
    with pytest.raises(MessageError):
        unpack(frames)


@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_no_damage_breaks_the_reader(data):
    """Whatever is changed: a message, checked like any other, or a MessageError."""
    frames = [
        bytearray(frame) for frame in golden(data.draw(st.sampled_from(sorted(golden_names()))))
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        frame = frames[data.draw(st.integers(0, 2))]
        at = data.draw(st.integers(0, len(frame)))
        frame[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        message = unpack([bytes(frame) for frame in frames])
    except MessageError as found:
        error = str(found)
    else:
        assert unpack(pack(message)).sequence == message.sequence
        return
    assert error.partition(":")[0] in messages.REASONS
    assert "\n" not in error


def golden_names():
    return [path.name for path in GOLDEN.glob("*.bin")]


def edited(name, *, header=None, payload=None):
    frames = golden(name)
    if header is not None:
        frames[1] = msgpack.packb(msgpack.unpackb(frames[1]) | header)
    if payload is not None:
        frames[2] = msgpack.packb(msgpack.unpackb(frames[2]) | payload)
    return frames


@pytest.mark.parametrize("name", golden_names())
def test_unknown_keys_are_ignored(name):
    payload = None if name in RAW else {"later": {"a": [1, {}]}}
    found = unpack(edited(name, header={"later": [1, 2, {"x": None}]}, payload=payload))
    assert described(found) == described(unpack(golden(name)))


def test_an_unknown_version_is_refused_by_name():
    for version in (0, 2, "1", 1.0, True, None):
        with pytest.raises(MessageError, match=r"^version: .*reads version 1"):
            unpack(edited("embedding.bin", header={"v": version}))


@pytest.mark.parametrize("name", golden_names())
def test_no_key_can_be_left_out(name):
    frames = golden(name)
    header = msgpack.unpackb(frames[1])
    for key in header.keys() - {"novelty", "gain_db"}:
        less = msgpack.packb({k: v for k, v in header.items() if k != key})
        with pytest.raises(
            MessageError, match="version:" if key == "v" else f"header: {key} .*found nothing"
        ):
            unpack([frames[0], less, frames[2]])
    if name in RAW:
        return
    payload = msgpack.unpackb(frames[2])
    for key in payload.keys() - {"sounds", "novelty", "novelty_rate", "novel", "drifting"}:
        less = msgpack.packb({k: v for k, v in payload.items() if k != key})
        with pytest.raises(MessageError, match=f"payload: {key} .*found nothing"):
            unpack([frames[0], frames[1], less])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stream", "other"),
        ("stream", "Host.mic"),
        ("session", b"short"),
        ("session", "0123456789abcdef"),
        ("sequence", -1),
        ("sequence", True),
        ("sequence", 1.0),
        ("sequence", 2**63),
        ("published_utc_ns", "now"),
        ("flags", -1),
        ("flags", 2**32),
        ("start_sample", -1),
        ("sample_rate_hz", 0),
        ("latency_ns", -5),
        ("stages_ns", []),
        ("stages_ns", {"capture": 1}),
        ("stages_ns", dict.fromkeys(STAGES, True)),
        ("model", b"1234567"),
        ("dtype", "<f2"),
        ("shape", [3]),
        ("shape", [2, 2]),
        ("shape", []),
        ("shape", [-4]),
        ("shape", [True]),
        ("shape", [2**40]),
        ("shape", 4),
        ("level_dbfs", math.nan),
        ("peak_dbfs", math.inf),
        ("level_dbfs", True),
        ("novelty", "high"),
        ("gain_db", "high"),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused(key, value):
    with pytest.raises(MessageError):
        unpack(edited("embedding.bin", header={key: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "Start"},
        {"state": ""},
        {"label": 7},
        {"start_sample": -1},
        {"n_samples": True},
        {"confidence": 1.5},
        {"confidence": math.nan},
        {"reason": None},
    ],
)
def test_a_sound_is_checked_like_all_else(changes):
    sound = msgpack.unpackb(golden("label_sounds.bin")[2])["sounds"][0]
    with pytest.raises(MessageError, match=r"^payload: sounds: each: "):
        unpack(edited("label_sounds.bin", payload={"sounds": [sound | changes]}))


@pytest.mark.parametrize("sounds", [{}, "start", [7], [[]], [{}] * 65])
def test_sounds_are_an_array_of_a_few_maps(sounds):
    with pytest.raises(MessageError, match=r"^payload: "):
        unpack(edited("label_sounds.bin", payload={"sounds": sounds}))


def test_a_label_without_sounds_says_that_its_sender_follows_none():
    assert unpack(golden("label.bin")).sounds is None
    assert unpack(edited("label_sounds.bin", payload={"sounds": None})).sounds is None
    assert unpack(edited("label_sounds.bin", payload={"sounds": []})).sounds == ()


@pytest.mark.parametrize(
    "scale",
    [
        7,
        {},
        {"probabilities": [0.5]},
        {"probabilities": [], "quantiles": []},
        {"probabilities": [0.5, 0.9], "quantiles": [1.0]},
        {"probabilities": [0.9, 0.5], "quantiles": [1.0, 2.0]},
        {"probabilities": [0.5, 1], "quantiles": [1.0, 2.0]},
        {"probabilities": [0.5, 0.9], "quantiles": [2.0, 1.0]},
        {"probabilities": [0.5, 0.9], "quantiles": [1.0, math.inf]},
        {"probabilities": [0.5, 0.9], "quantiles": [1.0, True]},
        {"probabilities": [0.5, 0.9], "quantiles": "12"},
    ],
)
def test_what_novelty_scores_mean_is_checked_like_all_else(scale):
    with pytest.raises(MessageError, match=r"^payload: novelty"):
        unpack(edited("model_novelty.bin", payload={"novelty": scale}))


def test_a_sender_of_before_tells_no_novelty():
    assert unpack(golden("model.bin")).novelty is None
    label = unpack(golden("label_sounds.bin"))
    assert (label.novelty, label.novelty_rate, label.novel, label.drifting) == (None,) * 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("novelty", "1"),
        ("novelty_rate", 1.5),
        ("novelty_rate", -0.1),
        ("novel", 1),
        ("drifting", "no"),
    ],
)
def test_a_labels_novelty_is_checked_like_all_else(key, value):
    with pytest.raises(MessageError, match=f"^payload: {key}"):
        unpack(edited("label_novelty.bin", payload={key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "s24le"),
        ("format", 1),
        ("channels", 0),
        ("channels", 65),
        ("channels", True),
        ("n_samples", -1),
        ("n_samples", 4),
        ("n_samples", 2**62),
        ("sample_rate_hz", 0),
        ("start_sample", 2**62 + 1),
        ("gap_samples", -1),
        ("captured_monotonic_ns", 1.5),
        ("host", b"bytes"),
    ],
)
def test_sound_of_the_wrong_type_or_size_is_refused(key, value):
    with pytest.raises(MessageError, match=r"^(header|payload): "):
        unpack(edited("audio.bin", header={key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [("to", b"short"), ("state", "perhaps"), ("taken_sample", -1), ("limit_sample", 1.0)],
)
def test_an_answer_of_the_wrong_type_is_refused(key, value):
    with pytest.raises(MessageError, match=rf"^payload: {key}"):
        unpack(edited("credit.bin", payload={key: value}))


def test_a_float_may_be_sent_as_an_integer():
    # As JavaScript does with 0.0.
    assert unpack(edited("embedding.bin", header={"level_dbfs": -20})).level_dbfs == -20.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_vector_that_is_not_finite_neither_leaves_nor_enters(value):
    vector = np.array([0, value, 0, 0], np.float32)
    with pytest.raises(ValueError, match="finite"):
        pack(an_embedding(vector=vector))
    frames = golden("embedding.bin")
    with pytest.raises(MessageError, match="finite"):
        unpack([*frames[:2], vector.tobytes()])


def test_pack_refuses_what_nobody_could_read():
    for changes in (
        {"sequence": -1},
        {"stream": "A b"},
        {"start_sample": np.int64(3)},
        {"model": b""},
    ):
        with pytest.raises(ValueError, match="cannot be sent"):
            pack(an_embedding(**changes))
    with pytest.raises(ValueError, match="float64"):
        pack(an_embedding(vector=np.zeros(4)))
    model = unpack(golden("model.bin"))
    with pytest.raises(ValueError, match="cannot be sent"):
        pack(replace(model, frontend_json="x" * 40_000))
    chances = dict.fromkeys((f"{i:0100d}" for i in range(1000)), 0.5)
    with pytest.raises(ValueError, match="payload"):
        pack(replace(unpack(golden("label.bin")), probabilities=chances))


def test_sizes_are_limited_before_anything_is_parsed():
    topic, header, payload = golden("embedding.bin")
    with pytest.raises(MessageError, match=r"^header: 16385 bytes"):
        unpack([topic, header.ljust(16385, b"\0"), payload])
    with pytest.raises(MessageError, match=r"^payload: 65537 bytes"):
        unpack([b"event/host.mic/", golden("event.bin")[1], b"\0" * 65537])
    with pytest.raises(MessageError, match=r"^topic: 161 bytes"):
        unpack([b"e" * 161, header, payload])
    largest = np.zeros(262_144, np.float32)
    assert unpack(pack(an_embedding(vector=largest))).vector.shape == largest.shape
    with pytest.raises(ValueError, match="shape"):
        pack(an_embedding(vector=np.zeros(262_145, np.float32)))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "embedding",
        "embedding/",
        "embedding/a",
        "embedding//",
        "embedding/a/b/",
        "label/a/",
        "emb/a/",
        "embedding/A/",
        "embedding/.a/",
        "label/a/b",
        "label/a//",
        "embedding/a/\n",
        "embedding/\xe4/",
    ],
)
def test_no_other_topic_is_read(topic):
    with pytest.raises(MessageError, match=r"^topic: "):
        parse_topic(topic.encode())


def test_a_label_names_its_head_twice_alike():
    frames = golden("label.bin")
    with pytest.raises(MessageError, match="head"):
        unpack([b"label/host.mic/other/", *frames[1:]])


@settings(deadline=None)
@given(st.text(max_size=100))
def test_any_text_gives_a_legal_stream_name(text):
    name = stream_name(text)
    assert is_name(name)
    assert stream_name(name) == name


def test_stream_names_stay_readable():
    assert stream_name("studio.mic") == "studio.mic"
    assert stream_name("Büro PC.USB Mikrofon (2)") == "buro-pc.usb-mikrofon-2"
    assert stream_name("???") == "stream"
    assert len(stream_name("A" * 100)) == 64
