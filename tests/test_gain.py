"""A gain changes the sound and nothing else: not where it lies, not what clipped means, not the bits of two runs."""

import json
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import Listener, embeddings, ready
from test_engine import program as program
from test_rack import Feeder, same, take
from test_recording_commands import replayed, told
from tiny import LEVEL, RATE_HZ, noise, tiny_content, tiny_model

from streamdeep.errors import ConfigurationError
from streamdeep.frontend.gain import (
    LISTEN_S,
    SILENCE_DBFS,
    Gain,
    Loudness,
    fitting_gain_db,
    loudest_dbfs,
    parse_gain,
)
from streamdeep.pipeline import Pipeline
from streamdeep.rack.direct import DirectSlot
from streamdeep.rack.rack import Rack
from streamdeep.recording.reader import Recording
from streamdeep.records import Block, Flag

QUANTILES = LEVEL.dbfs_quantiles


def embed(samples, rate_hz=RATE_HZ, model=None, **options):
    pipeline = Pipeline(model or tiny_model(), rate_hz, samples.shape[1], **options)
    return pipeline.push(Block(samples, 0)) + pipeline.flush(), pipeline.ledger()


def at_level(dbfs, seconds, rate_hz, seed=0):
    """Noise whose every tenth of a second has about this level."""
    samples = np.random.default_rng(seed).standard_normal((round(seconds * rate_hz), 1))
    return (samples * 10 ** (dbfs / 20)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 11025])
def test_a_gain_gives_what_louder_samples_give(rate_hz):
    quiet = noise(rate_hz, 2) / 8
    louder = quiet * np.float32(10 ** (9.5 / 20))
    found, ledger = embed(quiet, rate_hz, gain_db=9.5)
    expected, theirs = embed(louder, rate_hz)
    same([replace(record, gain_db=0.0) for record in found], expected)
    assert {record.gain_db for record in found} == {9.5}
    assert ledger == theirs


def test_no_gain_changes_no_bit_and_costs_no_copy():
    samples = noise(RATE_HZ)
    same(embed(samples, gain_db=0.0)[0], embed(samples)[0])
    assert Gain(0.0, RATE_HZ).push(samples) is samples
    rack = Rack(tiny_model())
    assert isinstance(rack.open(RATE_HZ, 1, ring_s=1.0, gain_db=0.0), DirectSlot)


def test_clipped_is_what_the_sound_card_clipped_and_levels_are_what_the_model_heard():
    loud, quiet = noise(RATE_HZ), noise(RATE_HZ) / 16
    loud[4000] = 1.0
    found, ledger = embed(loud, gain_db=-20)
    assert ledger.clipped_samples == 1
    assert any(Flag.CLIPPED in record.flags for record in found)
    found, ledger = embed(quiet, gain_db=40)
    assert ledger.clipped_samples == ledger.nonfinite_samples == 0
    assert not any(record.flags & (Flag.CLIPPED | Flag.NONFINITE) for record in found)
    plain, _ = embed(quiet)
    for record, without in zip(found, plain, strict=True):
        assert record.level_dbfs - record.gain_db == pytest.approx(without.level_dbfs, abs=1e-4)
        assert record.peak_dbfs - record.gain_db == pytest.approx(without.peak_dbfs, abs=1e-4)


@settings(max_examples=6, deadline=None)
@given(
    data=st.data(),
    opened=st.lists(
        st.tuples(st.sampled_from([1000, RATE_HZ]), st.sampled_from([1, 2]),
                  st.sampled_from([0.0, 6.0, -13.7, "auto", "auto"])),
        min_size=1, max_size=2,
    ),
)  # fmt: skip
def test_live_and_offline_agree_with_a_gain_too(data, opened):
    model = tiny_model(level=LEVEL)
    rack, feeders = Rack(model), []
    for number, (rate_hz, n_channels, gain_db) in enumerate(opened):
        feeders.append(
            Feeder(rack, model, rate_hz, n_channels, seed=number, gain_db=gain_db, ring_s=40.0)
        )
    for feeder in feeders:
        for _ in range(data.draw(st.integers(1, 4))):
            n_samples = data.draw(st.sampled_from([1, 99, 1000, 6001])) * feeder.rate_hz // 1000
            gap = data.draw(st.sampled_from([0, 0, 700])) if feeder.at else 0
            feeder.write(n_samples, gap=gap, damage=data.draw(st.sampled_from([None, 1.0, np.nan])))
            if data.draw(st.booleans()):
                take(rack, feeders, turns=data.draw(st.sampled_from([1, 10_000])))
            assert feeder.slot.ledger().unaccounted == 0
    for feeder in feeders:
        feeder.close()
    take(rack, feeders)
    for feeder in feeders:
        same(feeder.found, feeder.wanted)
        assert feeder.slot.ledger() == feeder.pipeline.ledger()


@pytest.mark.parametrize(
    ("level_dbfs", "gain_db"),
    [
        (-35, 0),
        (-30, 0),
        (-25, 0),
        (-37.9, 0),
        (-38, 3),
        (-39.2, 5),
        (-50, 15),
        (-120, 30),
        (-20, -5),
        (-3, -22),
    ],
)
def test_the_smallest_gain_that_reaches_the_middle_half_of_the_training_is_chosen(
    level_dbfs, gain_db
):
    assert fitting_gain_db(level_dbfs, QUANTILES) == gain_db


def test_auto_listens_for_ten_seconds_of_sound_and_then_begins_an_epoch():
    rate_hz, model = 1000, tiny_model(level=LEVEL)
    sound = at_level(-50.0, 14, rate_hz)
    found, ledger = embed(sound, rate_hz, model, gain_db="auto")
    before = [record for record in found if record.epoch == 0]
    after = [record for record in found if record.epoch == 1]
    assert {record.gain_db for record in before} == {0.0}
    (gain_db,) = {record.gain_db for record in after}
    assert -35.0 <= -50.0 + gain_db <= -33.0
    assert after[0].start_sample == LISTEN_S * rate_hz
    assert ledger.epochs == 2
    assert ledger.dropped.keys() == {"gain"}
    assert ledger.unaccounted == ledger.gap_samples == 0
    # What comes after is what a fixed gain would have made of it.
    fixed, _ = embed(sound[10 * rate_hz :], rate_hz, model, gain_db=gain_db)
    assert [record.vector.tobytes() for record in after] == [
        record.vector.tobytes() for record in fixed
    ]


def test_silence_is_not_listened_to():
    rate_hz, model = 1000, tiny_model(level=LEVEL)
    sound = np.concatenate([np.zeros((5000, 1), np.float32), at_level(-50.0, 12, rate_hz)])
    found, _ = embed(sound, rate_hz, model, gain_db="auto")
    first = next(record for record in found if record.epoch == 1)
    assert first.start_sample == 15 * rate_hz
    found, ledger = embed(np.zeros((20_000, 1), np.float32), rate_hz, model, gain_db="auto")
    assert ledger.epochs == 1
    assert not any(record.gain_db for record in found)


def test_sound_that_fits_the_model_begins_no_epoch():
    _, ledger = embed(at_level(-30.0, 14, 1000), 1000, tiny_model(level=LEVEL), gain_db="auto")
    assert (ledger.epochs, ledger.dropped) == (1, {})


def test_the_loudest_stretch_counts_not_the_quiet_around_it():
    loudness = Loudness(1000)
    sound = at_level(-60.0, 10, 1000)
    sound[3000:5000] = at_level(-20.0, 2, 1000)
    for at in range(0, len(sound), 100):
        loudness.push(sound[at : at + 100])
    assert loudest_dbfs(loudness.sounding(), 2.0) == pytest.approx(-20.0, abs=0.5)
    assert loudest_dbfs(loudness.sounding(), 4.0) == pytest.approx(-23.0, abs=0.5)
    loudness.push(np.full((100, 1), 10 ** ((SILENCE_DBFS - 1) / 20), np.float32))
    assert len(loudness.sounding()) == len(loudness.energies) - 1


def test_auto_needs_a_model_that_knows_its_levels():
    with pytest.raises(ConfigurationError, match="give a number of decibels instead of auto"):
        Pipeline(tiny_model(), RATE_HZ, 1, gain_db="auto")


@pytest.mark.parametrize("text", ["loud", "61", "-61", "nan", "", "inf", True, [3]])
def test_what_is_no_gain_is_refused_with_what_is_one(text):
    with pytest.raises(ValueError, match="-60 to 60 dB or auto will do"):
        parse_gain(text)


def test_a_gain_is_told_with_every_embedding_and_a_replay_finds_it_again(program, tmp_path):
    model_path, sound = tmp_path / "levels.onnx", at_level(-50.0, 13, RATE_HZ).clip(-0.9, 0.9)
    model_path.write_bytes(tiny_content(level=LEVEL))
    place, pcm = tmp_path / "place", (sound * 32767).astype("<i2")
    raw = tmp_path / "sound.raw"
    raw.write_bytes(pcm.tobytes())
    with raw.open("rb") as stdin:
        engine = program(
            "run", "-", "--rate", RATE_HZ, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--wait",
            "--gain-db", "auto", "--json", "--record", place, stdin=stdin,
        )  # fmt: skip
        messages = Listener(ready(engine)["endpoint"]).until_stop()
        _, err = engine.communicate(timeout=30)
    assert engine.returncode == 0, err
    (event,) = [
        event
        for topic, _, payload in messages
        if topic.startswith("event/") and (event := msgpack.unpackb(payload))["event"] == "gain"
    ]
    gains_db = {header["epoch"]: header.get("gain_db", 0.0) for header, _ in embeddings(messages)}
    assert gains_db[0] == 0.0
    assert 14.0 <= gains_db[1] <= 17.0
    assert (event["epoch"], event["at_sample"], event["n_samples"]) == (1, 10 * RATE_HZ, 0)
    assert event["reason"] == f"{gains_db[1]:+g} dB from here on"
    (recording,) = place.iterdir()
    assert json.loads((recording / "recording.json").read_text())["gain_db"] == "auto"
    _, again, ledger = replayed(program, place, model_path)
    assert told(again) == told(messages)
    assert ledger["unaccounted"] == 0
    with Recording(recording) as kept:
        raw_samples = np.concatenate([block.samples for block in kept.blocks()])
    assert raw_samples.tobytes() == (pcm / np.float32(32768)).astype("<f4").tobytes()


def test_every_stream_of_a_site_has_a_gain_of_its_own(program, tmp_path, model_path, write_sound):
    sound = write_sound("quiet.wav", noise(RATE_HZ) / 8, subtype="FLOAT")
    site = tmp_path / "site.toml"
    site.write_text(
        'bind = "tcp://127.0.0.1:*"\npace = "max"\n'
        f'[[streams]]\nsource = "{sound}"\nstream = "as-it-is"\n'
        f'[[streams]]\nsource = "{sound}"\nstream = "louder"\ngain_db = 6\n'
    )
    engine = program("run", "--config", site, "--model", model_path, "--json")
    listener = Listener(ready(engine)["endpoint"])
    messages = listener.until_stop(last=False) + listener.until_stop()
    _, err = engine.communicate(timeout=30)
    assert engine.returncode == 0, err
    found = {
        name: [vector.tobytes() for header, vector in embeddings(messages) if header["stream"] == name]
        for name in ("as-it-is", "louder")
    }  # fmt: skip
    for name, gain_db in (("as-it-is", 0.0), ("louder", 6.0)):
        expected, _ = embed(noise(RATE_HZ) / 8, gain_db=gain_db)
        assert found[name] == [record.vector.tobytes() for record in expected]


def test_a_gain_that_is_none_ends_in_one_line(command, sound_path, model_path):
    for verb, *options in (("run",), ("embed", "--out", "x.npz")):
        code, _, err = command(
            verb, sound_path, "--model", model_path, *options, "--gain-db", "loud"
        )
        assert code == 78
        assert err.count("\n") == 1
        assert "-60 to 60 dB or auto will do" in err
