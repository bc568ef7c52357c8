"""Of a microphone's captures one counts, and nothing that another one hears is mixed in."""

import numpy as np

from streamdeep.audio.clock import ClockModel
from streamdeep.audio.devices import Device
from streamdeep.audio.portaudio import Capture
from streamdeep.audio.watch import Outage, Trouble, Watch
from streamdeep.audio.watched import WatchedCapture

RATE_HZ = 8000
DEVICE = Device(0, "pulse", "ALSA", 1, RATE_HZ, default=True)


class Listener:
    """What was taken, of whichever capture."""

    def __init__(self):
        self.taken = []
        self._clock = ClockModel(RATE_HZ)

    def open(self, watch, *, counts=True):
        def connect(receive):
            return Capture(
                DEVICE, sample_rate_hz=RATE_HZ, n_channels=1, block_samples=0, receive=receive, ended=lambda: None
            )  # fmt: skip

        return WatchedCapture(connect, watch, self._take, self._clock, counts=counts)

    def _take(self, samples, captured_ns, loss):
        self.taken.append((float(samples[0, 0]), loss))


def speak(capture, value, at_s):
    ns = round(at_s * 1e9)
    capture.receive(np.full((80, 1), value, dtype=np.float32), ns, ns, at_s)


def test_a_capture_that_was_given_up_is_not_taken_even_if_it_comes_to_life():
    listener, outage = Listener(), Outage(1_000_000_000, Trouble.STALLED)
    hung = listener.open(Watch(RATE_HZ, after=outage))
    hung.give_up()
    again = listener.open(Watch(RATE_HZ, after=outage))
    speak(hung, 0.1, 9.0)
    speak(again, 0.2, 9.51)
    speak(hung, 0.3, 9.52)
    ((value, loss),) = listener.taken
    assert value == np.float32(0.2)
    assert loss == (68_000, True, Trouble.STALLED)


def test_a_capture_that_listened_counts_with_the_loss_before_its_next_block():
    listener = Listener()
    listening = listener.open(Watch(RATE_HZ), counts=False)
    speak(listening, 0.1, 2.0)
    assert listening.watch.heard
    assert not listener.taken
    listening.take_over(Watch(RATE_HZ, after=Outage(1_000_000_000, Trouble.SILENT), heard=True))
    speak(listening, 0.2, 2.01)
    speak(listening, 0.3, 2.02)
    assert [loss for _, loss in listener.taken] == [(8000, True, Trouble.SILENT), None]
