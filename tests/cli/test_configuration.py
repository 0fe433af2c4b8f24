"""config.toml: used when it is right; when it is wrong, said where and what was expected, and not used."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ctrscope.cli.configuration import Configuration, configuration_path, format_configuration, parse_configuration
from ctrscope.model.thresholds import Thresholds
from tests.cli.conftest import Done
from tests.test_readme import table


def test_what_is_set_is_used_and_the_rest_stays_as_it_was() -> None:
    text = b"[thresholds]\nmemory_percent = 80\nzombies = 5\n"
    assert parse_configuration(text).thresholds == Thresholds(memory_percent=80.0, zombies=5)
    assert parse_configuration(b"# nothing\n") == Configuration()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[thresholds]\nmemory_percent = \n", r"line 2"),
        (b"[thresholds]\nmemory_percent = 'much'\n", r"thresholds\.memory_percent: Expected `float`, got `str`"),
        (b"[thresholds]\nmemory_percent = 101\n", r"thresholds\.memory_percent: Expected `float` <= 100"),
        (b"[thresholds]\nmemory_percent = 0\n", r"thresholds\.memory_percent: Expected `float` > 0"),
        (b"[thresholds]\nzombies = 1.5\n", r"thresholds\.zombies: Expected `int`"),
        (b"\n[thresholds]\nmemory = 1\n", r"^line 3: thresholds\.memory: there is no such key$"),
        (b"[threshold]\n", r"^line 1: threshold: there is no such key$"),
        (b"# mine\ntheme = 5\n", r"^line 2: theme: Expected `str`, got `int`$"),
        (b"refresh = 0.1\n", r"^line 1: refresh: Expected `float` >= 1"),
        (b'[keys]\n"app.quit" = 5\n', r"^line 1: keys: Expected"),
        (b"[columns]\ncontainers = 'name'\n", r"^line 1: columns: Expected `array`"),
        (b"[columns]\ncontainers = [5]\n", r"^line 1: columns: Expected `str`"),
        (b"thresholds = 1\n", r"thresholds: Expected `object`"),
        (b"\xff\n", r"not UTF-8"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_its_place(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_configuration(text)


def test_it_is_looked_for_where_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/somewhere")
    assert configuration_path() == "/etc/somewhere/ctrscope/config.toml"
    monkeypatch.setenv("HOME", "/home/ada")
    for useless in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", useless)
        assert configuration_path() == "/home/ada/.config/ctrscope/config.toml"


def test_the_readme_has_every_key_with_its_default() -> None:
    documented = {row[0].strip("`"): float(row[1]) for row in table("Configuration")}
    defaults = Thresholds()
    assert documented == {name: float(getattr(defaults, name)) for name in Thresholds.__struct_fields__}


def test_what_is_written_is_read_back_as_it_was() -> None:
    for configuration in (
        Configuration(),
        Configuration(theme='my "own"\\ \x7f\n', refresh=2.0, only_running=True, thresholds=Thresholds(zombies=5)),
        Configuration(
            keys={"app.quit": "^x f10", "table": {"sort": "b"}},
            columns={"containers": ("name", "cpu"), "storage": ("size",)},
            sort={"containers": "-memory"},
            filter={"containers": r"name~^web-\d+$ !note: label:größe=🙂"},
        ),
    ):
        assert parse_configuration(format_configuration(configuration).encode()) == configuration
    assert format_configuration(Configuration(theme="light", sort={"containers": "memory"})) == (
        'theme = "light"\n\n[sort]\ncontainers = "memory"\n'
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "ctrscope").mkdir()
    return tmp_path / "ctrscope" / "config.toml"


@pytest.mark.usefixtures("observed")
def test_a_broken_file_is_said_and_the_defaults_are_used(config: Path, run: Callable[..., Done]) -> None:
    config.write_text("[thresholds]\nmemory_percent = 'much'\n")
    done = run("diagnose")
    assert done.status == 0
    assert f"{config}: line 2: thresholds.memory_percent: Expected" in done.err
    assert "the defaults are used" in done.err
    assert re.search(r"finding|Nothing wrong", done.out)


@pytest.mark.usefixtures("observed")
def test_a_threshold_decides_what_is_found(config: Path, run: Callable[..., Done]) -> None:
    config.write_text("[thresholds]\nthrottled_percent = 50\n")
    done = run("diagnose", "web")
    assert "throttled" not in done.out
    config.write_text("[thresholds]\nthrottled_percent = 30\n")
    again = run("diagnose", "web")
    assert "throttled in 31 % of periods" in again.out


def test_a_file_that_is_none_is_said(config: Path, run: Callable[..., Done]) -> None:
    config.mkdir()
    done = run("diagnose", "no-such-container-anywhere")
    assert "not a regular file: the defaults are used" in done.err
    assert done.status == 4
