"""The file formats of cgroup interface files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.model.gap import ParseError
from ctrscope.probes.keyed import parse_flat, parse_limit, parse_nested_sums, parse_number


@pytest.mark.parametrize(("text", "limit"), [(b"max\n", "max"), (b"67108864\n", 67108864), (b"0\n", 0)])
def test_a_limit_is_a_number_or_max(text: bytes, limit: object) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", [b"", b"many\n", b"1 2\n", b"9" * 5000])
def test_what_is_no_number_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_number(text)


@given(st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), st.integers(0, 2**64)))
def test_a_flat_keyed_file_reads_back_as_it_was_written(values: dict[str, int]) -> None:
    assert parse_flat("".join(f"{key} {value}\n" for key, value in values.items()).encode()) == values


@pytest.mark.parametrize("text", [b"anon\n", b"anon many\n", b"\xff 1\n"])
def test_a_line_without_a_number_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_flat(text)


def test_nested_keys_are_summed_over_devices() -> None:
    text = b"254:0 rbytes=1695744 wbytes=0 rios=22\n8:0 rbytes=256 wbytes=512 rios=1\n"
    assert parse_nested_sums(text) == {"rbytes": 1696000, "wbytes": 512, "rios": 23}


def test_devices_that_say_nothing_do_not_disturb_the_sum() -> None:
    assert parse_nested_sums(b"7:7 7:6 7:5 rbytes=4096 wbytes=0\n8:0 \n") == {"rbytes": 4096, "wbytes": 0}
