"""Packing and unpacking an embedding, beside JSON and msgpack with the vector as a list."""

import json

import msgpack
import numpy as np

from bench.measure import Rounds, time_calls
from bench.record import SEED, Part, Table
from streamdeep.records import Flag
from streamdeep.wire.messages import EmbeddingMessage, pack, unpack

DIM = 1536
"""As the model of ``esc10.toml`` has."""
PACK, UNPACK = "pack", "unpack"


def embedding_message():
    vector = np.random.default_rng(SEED).uniform(-1, 1, DIM).astype(np.float32)
    return EmbeddingMessage(
        stream="bench",
        session=bytes(16),
        sequence=1_000,
        published_utc_ns=1_700_000_000_000_000_000,
        published_monotonic_ns=1_000_000_000_000,
        flags=Flag(0),
        epoch=0,
        start_sample=44_100_000,
        n_samples=220_500,
        sample_rate_hz=44_100,
        captured_utc_ns=1_700_000_000_000_000_000 - 700_000,
        latency_ns=700_000,
        stages_ns={
            "capture": 300_000,
            "resample": 0,
            "frontend": 100_000,
            "encoder": 200_000,
            "publish": 100_000,
        },
        gap_samples=0,
        model=bytes(8),
        level_dbfs=-32.5,
        peak_dbfs=-12.25,
        vector=vector,
    )


def run(quick: bool) -> dict:
    message = embedding_message()
    header = msgpack.unpackb(pack(message)[1])
    text_header = {
        key: value.hex() if isinstance(value, bytes) else value for key, value in header.items()
    }
    vector = message.vector
    ours = pack(message)
    as_json = json.dumps({**text_header, "vector": vector.tolist()})
    as_msgpack = msgpack.packb({**header, "vector": vector.tolist()})

    def from_json():
        found = json.loads(as_json)
        return np.array(found["vector"], np.float32)

    def from_msgpack():
        found = msgpack.unpackb(as_msgpack)
        return np.array(found["vector"], np.float32)

    assert np.array_equal(from_json(), vector)
    assert np.array_equal(from_msgpack(), vector)
    rounds = time_calls(
        {
            f"streamdeep, {PACK}": lambda: pack(message),
            f"msgpack list, {PACK}": lambda: msgpack.packb({**header, "vector": vector.tolist()}),
            f"JSON list, {PACK}": lambda: json.dumps({**text_header, "vector": vector.tolist()}),
            f"streamdeep, {UNPACK}": lambda: unpack(ours),
            f"msgpack list, {UNPACK}": from_msgpack,
            f"JSON list, {UNPACK}": from_json,
        },
        n_rounds=5 if quick else 21,
        n_calls=20 if quick else 200,
    )
    n_bytes = {
        "streamdeep": sum(map(len, ours)),
        "msgpack list": len(as_msgpack),
        "JSON list": len(as_json),
    }
    return part(rounds, n_bytes).as_dict()


def part(rounds: Rounds, n_bytes: dict[str, int]) -> Part:
    rows, values = [], {}
    for name, size in n_bytes.items():
        row = [name, size, size / n_bytes["streamdeep"]]
        for step in (PACK, UNPACK):
            ratio = rounds.ratio(f"{name}, {step}", f"streamdeep, {step}")
            row += [rounds[f"{name}, {step}"].median, ratio.median, ratio.quartiles]
            values[f"{step}_{name.split()[0].lower()}"] = ratio.median
        rows.append(row)
    table = Table(
        f"An embedding of {DIM} values with its header",
        "The vector goes as raw bytes, so neither side touches its values one by one; streamdeep's figures include all checks of "
        "the protocol on both sides, the others check nothing.",
        ["", "bytes", "x", "pack, us", "x", "quartiles", "unpack, us", "x", "quartiles"],
        rows,
    )
    about = "A hot loop over one message. The peers carry the same header and the vector as a list of numbers, and give an array back."
    return Part("The wire: pack and unpack", about, values, [table], raw={"us": rounds.figures})
