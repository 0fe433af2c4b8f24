"""What a query can mean, by its form alone."""

import pytest

from ctrscope.model.match import MatchKind, parse_query
from ctrscope.model.namespace import NamespaceType

PID = (MatchKind.PROCESS, MatchKind.THREAD, MatchKind.PID_INSIDE)
NAME = (MatchKind.CONTAINER, MatchKind.POD, MatchKind.IMAGE, MatchKind.LINK)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("4711", (MatchKind.CONTAINER, *PID, MatchKind.PORT)),
        ("70000", (MatchKind.CONTAINER, *PID)),
        ("0", (MatchKind.CONTAINER, *PID)),
        ("pid:4711", PID),
        ("4026532281", (MatchKind.CONTAINER, MatchKind.NAMESPACE)),
        ("net:[4026532281]", (MatchKind.NAMESPACE,)),
        ("pid:[4026532281]", (MatchKind.NAMESPACE,)),
        ("pid:4026532281", (MatchKind.NAMESPACE,)),
        ("8080/udp", (MatchKind.PORT,)),
        ("tcp/8080", (MatchKind.PORT,)),
        ("TCP:8080", (MatchKind.PORT,)),
        (":8080", (MatchKind.PORT,)),
        ("port:8080", (MatchKind.PORT,)),
        ("172.17.0.2:80", (MatchKind.PORT,)),
        ("[fd00::2]:80", (MatchKind.PORT,)),
        ("172.17.0.2", (MatchKind.ADDRESS,)),
        ("172.17.0.2/16", (MatchKind.ADDRESS,)),
        ("fd00:0::2", (MatchKind.ADDRESS,)),
        ("02:42:AC:11:00:02", (MatchKind.MAC,)),
        ("02-42-ac-11-00-02", (MatchKind.MAC,)),
        ("/sys/fs/cgroup/x", (MatchKind.CGROUP, MatchKind.OVERLAY, MatchKind.MOUNT, MatchKind.FILE, MatchKind.NAMESPACE)),
        ("web", NAME),
        ("nginx:1.25", NAME),
        ("docker.io/library/nginx:1.25", NAME),
        ("pod/shop/web-0", NAME),
        ("999.1.1.1", NAME),
        ("tcp/99999", NAME),
        ("tcp/0", NAME),
        ("net:[x]", NAME),
        ("net:[" + "9" * 30 + "]", NAME),
        ("9" * 40, NAME),
        ("²", NAME),
        ("\x00\ud800", NAME),
    ],
)
def test_the_form_of_a_query_says_what_it_can_mean(text: str, kinds: tuple[MatchKind, ...]) -> None:
    assert parse_query(text).kinds == kinds


def test_what_is_written_in_several_ways_is_one_thing() -> None:
    assert parse_query("02-42-AC-11-00-02").mac == "02:42:ac:11:00:02"
    assert parse_query("FD00:0:0::2").address == "fd00::2"
    assert (parse_query("[fd00:0::2]:80").address, parse_query("[fd00:0::2]:80").port) == ("fd00::2", 80)
    assert (parse_query("8080/UDP").proto, parse_query("8080/UDP").port) == ("udp", 8080)
    assert (parse_query("net:4026532281").namespace, parse_query("net:4026532281").number) == (NamespaceType.NET, 4026532281)
