"""What is typed into a filter: words, fields, comparisons with units, and their opposites."""

import time

import pytest

from ctrscope.views.filtering import Fields, matches, parse_filter

ROW: Fields = {
    "name": "Web-1",
    "engine": "podman@1000",
    "note": "",
    "cpu": 62.5,
    "memory": 300 * 1024 * 1024,
    "memory_percent": 91.0,
    "age": 90.0,
    "throttled": None,
    "pid": 4711.0,
    "memory_limit": float("inf"),
    "disk": 3 * 1024 * 1024,
    "label": ("tier=front", "com.docker.compose.service=Web"),
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web",
        "WEB podman",
        "engine:podman cpu>50 mem>90%",
        "cpu>=62.5 cpu<=62.5 cpu=62.5 cpu<63",
        "mem>299M mem<0.3G mem>=300m mem>1000k",
        "mem>=300MiB !mem>301MiB",
        "age>1m age<2m age=90",
        "age<1h age<1d age<1w",
        "pid:4711 pid=4711",
        "!lxc !engine:lxc cpu!=7",
        "name=web-1",
        "cpu>",  # it is not typed yet
        "!",
        "engine:",  # it has one
        "!note:",
        "!throttled>0",
        "memory_percent>90",
        "label:tier label:front label:FRONT label:",
        "label=tier=front label=com.docker.compose.service=web",
        "!label:back label!=tier=fron !label=tier=fron",
        "limit:max limit=max limit>1g !limit<1g",
        "disk>2m disk<4M",
        r"name~^web-\d+$ ~^podman@ !name~^web$ label~^tier=(front|back)$",
        r"!name~^\D+$ NAME~WEB",
    ],
)
def test_what_matches(text: str) -> None:
    assert matches(parse_filter(text), ROW)


@pytest.mark.parametrize(
    "text",
    [
        "web lxc",
        "engine:web",
        "cpu>62.5",
        "cpu<62.5",
        "cpu!=62.5",
        "mem>92%",
        "mem>1G",
        "age>2m",
        "throttled>0",  # it has no such figure, and absent is not zero
        "throttled<1",
        "throttled=0",
        "pid:471",
        "name=web",
        "!web",
        "note:",
        "nosuchfield:web",
        "nosuchfield>1",
        "cpu>fast",
        "age>1M1",
        "engine>5",
        "compose",  # of labels only who asks for them is told
        "label:back",
        "label=tier",
        "!label:tier",
        "limit!=max",
        "memory:max",
        r"name~^\D+$",
        "~compose",
        "!~web",
        "nosuchfield~web",
        "cpu~6",
        "name~(we",  # no expression, or not yet
        r"name~(web)\1",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not matches(parse_filter(text), ROW)


def test_a_text_that_only_looks_like_a_field_is_looked_for_everywhere() -> None:
    fields: Fields = {"name": "net:[4026532911]", "net": 17.0, "command": "a>b"}
    assert matches(parse_filter("net:[4026"), fields)
    assert matches(parse_filter("a>b"), fields)
    assert not matches(parse_filter("net:[4027"), fields)


def test_what_would_go_back_and_try_again_takes_no_time() -> None:
    started = time.thread_time()
    assert not matches(parse_filter("name~(a+)+$"), {"name": "a" * 40 + "!"})
    assert time.thread_time() - started < 1
