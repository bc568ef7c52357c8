"""A publisher listens on this machine only, unless told otherwise; every refusal is one clear line."""

import socket

import pytest

from streamdeep.errors import BindError, ConfigurationError
from streamdeep.wire.endpoint import open_publisher
from streamdeep.wire.publisher import Publisher
from streamdeep.wire.security import DEFAULT_ENDPOINT, check_bind

LOCAL = [
    DEFAULT_ENDPOINT,
    "tcp://127.8.9.10:0",
    "tcp://localhost:*",
    "tcp://[::1]:5757",
    "ipc:///run/user/1000/streamdeep.sock",
    "ipc://@name",
    "inproc://here",
]
REMOTE = [
    "tcp://0.0.0.0:5757",
    "tcp://*:5757",
    "tcp://192.168.1.5:5757",
    "tcp://[::]:5757",
    "tcp://[2001:db8::1]:1",
    "tcp://eth0:5757",
    "tcp://128.0.0.1:1",
]
NONSENSE = [
    "",
    "5757",
    "127.0.0.1:5757",
    "tcp:/127.0.0.1:5757",
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:",
    "tcp://127.0.0.1:http",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:-1",
    "tcp://:5757",
    "tcp://::1:5757",
    "tcp://[::1:5757",
    "tcp://[here]:5757",
    "tcp://127.0.0.1:5757/path",
    "udp://127.0.0.1:5757",
    "TCP://127.0.0.1:5757",
    "ipc://",
    "inproc://",
    "ipc:///" + "x" * 120,
]


@pytest.mark.parametrize("url", LOCAL)
def test_this_machine_is_always_allowed(url):
    check_bind(url, insecure=False)


@pytest.mark.parametrize("url", REMOTE)
def test_other_machines_only_if_asked_for(url):
    with pytest.raises(ConfigurationError, match=r"pass --insecure") as refused:
        check_bind(url, insecure=False)
    assert "\n" not in str(refused.value)
    check_bind(url, insecure=True)


@pytest.mark.parametrize("url", NONSENSE)
@pytest.mark.parametrize("insecure", [False, True])
def test_nonsense_is_refused_in_one_line(url, insecure):
    with pytest.raises(ConfigurationError) as refused:
        check_bind(url, insecure=insecure)
    assert "\n" not in str(refused.value)
    assert repr(url) in str(refused.value)


def test_a_publisher_refuses_before_it_opens_anything():
    with pytest.raises(ConfigurationError, match="insecure"):
        Publisher("tcp://0.0.0.0:*")
    with Publisher("tcp://0.0.0.0:*", insecure=True) as publisher:
        assert publisher.endpoint.startswith("tcp://0.0.0.0:")


@pytest.mark.parametrize("bind", ["tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://localhost:*"])
def test_any_free_port_is_told(bind):
    with Publisher(bind) as publisher:
        assert int(publisher.endpoint.rpartition(":")[2]) > 0


def test_a_port_in_use_is_one_line_with_advice():
    with Publisher("tcp://127.0.0.1:*") as first:
        with pytest.raises(BindError, match=r"in use: stop the program") as refused:
            Publisher(first.endpoint)
        assert "\n" not in str(refused.value)
    with Publisher(first.endpoint):
        pass


def test_an_address_of_another_machine_cannot_be_had():
    with pytest.raises(BindError, match="cannot bind"):
        Publisher("tcp://192.0.2.1:5757", insecure=True)


def test_a_unix_socket_is_private_and_not_taken_from_its_owner(tmp_path):
    path = tmp_path / "s"
    with Publisher(f"ipc://{path}"):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(BindError, match="in use"):
            Publisher(f"ipc://{path}")
    with pytest.raises(BindError, match="No such file"):
        Publisher(f"ipc://{tmp_path}/missing/s")


def test_a_unix_socket_left_by_a_crashed_program_is_no_obstacle(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
    with Publisher(f"ipc://{path}") as publisher:
        assert publisher.endpoint == f"ipc://{path}"


def test_ipv6_is_on_where_asked_for():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Publisher("tcp://[::1]:*") as publisher:
        assert publisher.endpoint.startswith("tcp://[::1]:")


def test_the_session_is_random_unless_given():
    with Publisher("tcp://127.0.0.1:*") as first, Publisher("tcp://127.0.0.1:*") as second:
        assert len(first.session) == 16
        assert first.session != second.session
    with pytest.raises(ValueError, match="16"):
        Publisher("tcp://127.0.0.1:*", session=b"short")


def test_nothing_stays_open_after_a_refusal():
    with Publisher("tcp://127.0.0.1:*") as first:
        for _ in range(20):
            with pytest.raises(BindError):
                open_publisher(first.endpoint, high_water_mark=1, lossless=False)
