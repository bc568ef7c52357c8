"""The right device is opened again, and a call that never returns holds nobody up."""

import threading

import pytest

from streamdeep.audio.abandon import Desk, LeftBehindError
from streamdeep.audio.devices import Device, find_again, select
from streamdeep.errors import SourceError

PATIENCE_S = 30


def device(index, name, host_api="ALSA", *, default=False):
    return Device(index, name, host_api, 2, 48_000, default)


DEVICES = [
    device(0, "HDA Intel PCH: ALC257 (hw:0,0)"),
    device(2, "USB Audio: - (hw:1,0)"),
    device(3, "USB Audio: - (hw:2,0)"),
    device(5, "default", default=True),
    device(6, "USB Audio: - (hw:1,0)", "OSS"),
]


def test_a_device_is_chosen_by_number_or_by_a_part_of_its_name():
    assert select("", DEVICES).index == 5
    assert select("3", DEVICES).index == 3
    assert select("alc257", DEVICES).index == 0
    assert select("default", DEVICES).index == 5
    for wanted in ("USB", "theremin", "17"):
        with pytest.raises(SourceError, match="choose one of"):
            select(wanted, DEVICES)


def test_a_device_is_found_again_whatever_its_number_and_socket():
    assert find_again(device(9, "default"), DEVICES).index == 5
    assert find_again(device(9, "USB Audio: - (hw:2,0)"), DEVICES).index == 3
    assert find_again(device(9, "USB Audio: - (hw:7,0)"), DEVICES).index == 2
    assert find_again(device(9, "USB Audio: - (hw:7,0)", "OSS"), DEVICES).index == 6
    with pytest.raises(SourceError, match="'Theremin' is not there"):
        find_again(device(5, "Theremin"), DEVICES)


def test_calls_give_their_result_or_their_error():
    desk = Desk()
    for _ in range(20):
        assert desk.call(lambda: 5, PATIENCE_S, "five") == 5
        assert desk.n_under_way == 0

    def fail():
        raise SourceError("no such device")

    with pytest.raises(SourceError, match="no such device"):
        desk.call(fail, PATIENCE_S, "failing")


def test_a_call_that_hangs_is_left_behind_and_the_next_one_does_not_wait_for_it():
    desk, release, cleaned = Desk(), threading.Event(), threading.Event()
    late = []

    def hang():
        release.wait()
        return "a stream"

    def clean(result):
        late.append(result)
        cleaned.set()

    with pytest.raises(LeftBehindError, match=r"opening did not return within 0.05 s"):
        desk.call(hang, 0.05, "opening", too_late=clean)
    assert desk.call(lambda: "next", PATIENCE_S, "next") == "next"
    assert desk.n_under_way >= 1
    release.set()
    assert cleaned.wait(PATIENCE_S)
    assert late == ["a stream"]


def test_calls_are_made_one_at_a_time():
    desk, inside, most = Desk(), [], []

    def work():
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    callers = [
        threading.Thread(target=lambda: [desk.call(work, PATIENCE_S, "work") for _ in range(20)])
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert most == [1] * 80
