"""What a sender keeps and cuts: whatever is refused, lost or sent again, every sample is in one place."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tiny import noise

from streamdeep.audio.pcm import decode, encode
from streamdeep.audio.ring import single_ring
from streamdeep.intake.outgoing import STEPS, Outgoing
from streamdeep.records import Flag
from streamdeep.wire.messages import pack, unpack

CAPACITY, BLOCK, RATE_HZ = 80, 10, 1000


class AgainstAList(RuleBasedStateMachine):
    """A source that writes and loses, a connection that breaks, an engine that takes."""

    @initialize()
    def start(self):
        self.ring = single_ring(CAPACITY, 1, RATE_HZ)
        self.outgoing = Outgoing(
            self.ring, stream="a", session=bytes(16), block_samples=BLOCK, clock=lambda: 5, utc=lambda: 9
        )  # fmt: skip
        self.source = 0
        self.written = []  # indices that went in
        self.refused = self.gaps = self.taken = 0
        self.arrived = {}  # index -> times
        self.expected = 0
        self.numbers = {}
        self.ended = False

    @precondition(lambda self: not self.ended)
    @rule(n=st.integers(0, 60), gap=st.sampled_from([0, 0, 0, 4]))
    def write(self, n, gap):
        self.source += gap
        self.gaps += gap
        index = np.arange(self.source, self.source + n, dtype=np.float32)[:, None]
        n_taken = self.ring.write(index, 1, gap_samples=gap)
        self.written += range(self.source, self.source + n_taken)
        self.refused += n - n_taken
        self.source += n
        self.outgoing.cut()

    @rule(n=st.integers(1, 6))
    def send(self, n):
        for _ in range(n):
            message = self.outgoing.next(2**62)
            if message is None:
                return
            assert unpack(pack(message)).start_sample == message.start_sample
            self.outgoing.sent()
            # A number says the same whenever it is sent.
            about = message.start_sample, message.n_samples, message.pcm
            assert self.numbers.setdefault(message.sequence, about) == about
            for value in decode(message.pcm, "f32le", 1)[:, 0]:
                self.arrived[int(value)] = self.arrived.get(int(value), 0) + 1
            assert decode(message.pcm, "f32le", 1)[:, 0].tolist() == list(
                range(message.start_sample, message.stop_sample)
            )
            assert (Flag.LAST in message.flags) == (self.ended and message.n_samples == 0)

    @rule()
    def break_off(self):
        self.outgoing.rewind()

    @rule(part=st.floats(0, 1))
    def take(self, part):
        sent = [start + n for start, n, _ in self.numbers.values()]
        if sent:
            self.taken = max(self.taken, round(part * max(sent)))
            self.outgoing.taken(self.taken)

    @rule()
    def end(self):
        self.ended = True
        self.ring.close()
        self.outgoing.cut()

    @invariant()
    def every_sample_is_in_one_place(self):
        ledger = self.outgoing.ledger()
        assert ledger.captured == ledger.taken + ledger.given_up + ledger.waiting
        assert ledger.captured == len(self.written) + self.refused
        assert ledger.given_up == self.refused
        assert ledger.waiting <= CAPACITY

    def teardown(self):
        if not hasattr(self, "ring"):
            return
        self.end()
        self.outgoing.rewind()
        self.send(n=10_000)
        assert sorted(self.arrived) == self.written
        assert sorted(self.numbers) == list(range(len(self.numbers)))
        assert self.outgoing.ledger().gap_samples == self.gaps
        last = max(self.numbers)
        assert self.numbers[last][0] == self.source
        self.outgoing.finish()
        assert self.outgoing.delivered
        assert self.outgoing.ledger().waiting == 0


AgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_whatever_happens_every_sample_is_taken_given_up_or_waiting = AgainstAList.TestCase


def test_a_full_buffer_gives_room_back_in_stretches_and_not_sample_by_sample():
    ring = single_ring(CAPACITY, 1, RATE_HZ)
    outgoing = Outgoing(ring, stream="a", session=bytes(16), block_samples=2)
    ring.write(noise(CAPACITY), 1)
    outgoing.cut()
    step = CAPACITY // STEPS
    outgoing.taken(step - 1)
    assert ring.write(noise(1), 1) == 0
    outgoing.taken(step)
    assert ring.write(noise(step + 5), 1) == step


def test_what_is_sent_again_says_so_and_a_sign_of_life_says_where_the_next_begins():
    ring = single_ring(CAPACITY, 1, RATE_HZ)
    outgoing = Outgoing(ring, stream="a", session=bytes(16), block_samples=BLOCK)
    ring.write(noise(25), 1)
    outgoing.cut()
    first = outgoing.next(100)
    outgoing.sent()
    assert outgoing.next(19) is None  # beyond what may be sent
    outgoing.rewind()
    again = outgoing.next(100)
    assert (first.sequence, first.flags, first.pcm) == (again.sequence, Flag(0), again.pcm)
    assert again.flags == Flag.REPEAT
    outgoing.taken(20)
    sign = outgoing.sign_of_life()
    assert (sign.n_samples, sign.start_sample, sign.sequence) == (0, 20, 2)
    assert unpack(pack(sign)).pcm == b""


@pytest.mark.parametrize("n_channels", [1, 3])
def test_sixteen_bits_survive_and_floats_are_rounded_and_cut_off(n_channels):
    every = np.arange(-32768, 32768, dtype=np.float32)[: 65535 // 3 * 3].reshape(-1, 1) / 32768
    samples = np.repeat(every, n_channels, 1)
    np.testing.assert_array_equal(decode(encode(samples, "s16le"), "s16le", n_channels), samples)
    odd = np.array([[1.0], [-1.5], [np.nan], [np.inf], [0.4 / 32768]], np.float32)
    assert np.frombuffer(encode(odd, "s16le"), "<i2").tolist() == [32767, -32768, 0, 32767, 0]
    np.testing.assert_array_equal(decode(encode(odd, "f32le"), "f32le", 1), odd)
