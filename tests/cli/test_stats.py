"""``ctrscope stats``: one shot, a stream of lines, a stream on a terminal, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ctrscope.cli.stats import fitting
from ctrscope.export.json_schema import json_schema
from tests.cli.conftest import Done, Host
from tests.requirements import require_root

Run = Callable[..., Done]
_COMMAND = [sys.executable, "-m", "ctrscope", "stats"]


def assert_valid(answer: Any) -> None:
    schema = {**json_schema(), "anyOf": [{"$ref": "#/$defs/StatsAnswer"}]}
    jsonschema.Draft202012Validator(schema).validate(answer)


def test_an_answer_has_every_key_of_the_contract(v2_root: Path, run: Run) -> None:
    answer = run("--root", str(v2_root), "stats", "--json").answer
    assert_valid(answer)
    web = next(one for one in answer["stats"] if one["name"] == "d-web")
    keys = {
        "cpu": "usage_seconds percent limit_cpus effective_limit_cpus limited_by nr_periods nr_throttled throttled_seconds",
        "memory": "current working_set limit effective_limit limited_by swap peak oom_kills events",
        "pids": "current limit effective_limit",
        "io": "read_bytes write_bytes",
        "network": "rx_bytes tx_bytes",
        "pressure": "cpu memory io",
    }
    assert {part: set(words.split()) - set(web[part]) for part, words in keys.items()} == {part: set() for part in keys}


def test_figures_are_those_of_docker_stats(v2_root: Path, run: Run) -> None:
    said = {one["ID"]: one for one in map(json.loads, (v2_root / "cmd/docker-stats.jsonl").read_text().splitlines())}
    ours = {one["id"]: one for one in run("--root", str(v2_root), "stats", "--json").answer["stats"] if one["id"] in said}
    assert set(ours) == set(said)
    for key, docker in said.items():
        used, limit = (_bytes(word) for word in docker["MemUsage"].split(" / "))
        memory = ours[key]["memory"]
        assert limit == pytest.approx(memory["effective_limit"], rel=0.001), docker["Name"]
        assert ours[key]["pids"]["current"] == int(docker["PIDs"])
        # The web server ran on between the two.
        assert used == pytest.approx(memory["working_set"], rel=0.001) or docker["Name"] == "d-web"


def _bytes(text: str) -> float:
    number = text.rstrip("KMGTiB")
    return float(number) * float(1024 ** "BKMGT".index(text[len(number)]))


def test_with_ids_only_those_are_answered(v2_root: Path, run: Run) -> None:
    done = run("--root", str(v2_root), "stats", "--json", "d-web", "p-plain")
    assert [one["name"] for one in done.answer["stats"]] == ["d-web", "p-plain"]
    assert {gap["subject"] for gap in done.answer["gaps"]} <= {"host"}


def test_one_that_does_not_run_uses_nothing_and_says_so(v2_root: Path, run: Run) -> None:
    done = run("--root", str(v2_root), "stats", "--json", "d-exit7")
    assert (done.status, done.answer["stats"]) == (0, [])
    assert done.err == "d-exit7 is stopped: it uses nothing.\n"


def test_an_unknown_id_is_status_4(awkward: Host, run: Run) -> None:
    assert run("stats", "nope").status == 4


@pytest.mark.parametrize("argv", [("--interval", "0"), ("--interval", "soon"), ("--count", "0"), ("--interval", "nan")])
def test_what_is_no_interval_or_count_is_wrong_usage(run: Run, argv: tuple[str, ...]) -> None:
    done = run("stats", *argv)
    assert done.status == 2
    assert argv[1] in done.err


def test_a_stream_is_one_object_a_line(v2_root: Path, run: Run) -> None:
    done = run("--root", str(v2_root), "stats", "d-web", "--json", "--interval", "0.1", "--count", "3")
    lines = done.out.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert_valid(json.loads(line))


def test_a_stream_of_text_repeats_the_table(v2_root: Path, run: Run) -> None:
    out = run("--root", str(v2_root), "stats", "d-web", "--interval", "0.1", "--count", "2").out
    tables = out.split("\n\n")
    assert [table.splitlines()[0].split()[:3] for table in tables] == [["NAME", "ENGINE", "ID"]] * 2
    assert all("d-web" in table and "64M" in table for table in tables)


def test_a_stream_on_a_terminal_is_drawn_in_place_and_ends_cleanly(v2_root: Path) -> None:
    require_root("the capture has files of several users")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [*_COMMAND, "--root", str(v2_root), "--interval", "0.1"], stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    try:
        seen = b""
        while seen.count(b"\x1b[H") < 3:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(ours)
    assert (process.returncode, complaint) == (0, b"")
    first, second = seen.split(b"\x1b[H")[1:3]
    assert first.startswith(b"\x1b[J")
    assert second.endswith(b"\x1b[J")
    assert b"\x1b[K\r\n" in second


def test_a_stream_of_lines_ends_cleanly_too() -> None:
    process = subprocess.Popen([*_COMMAND, "--json", "--interval", "0.1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (0, b"")


def test_a_screen_that_is_too_low_says_how_many_it_leaves_out() -> None:
    lines = ["NAME", "a", "b", "c", "d"]
    assert fitting(lines, 5) == lines
    assert fitting(lines, 4) == ["NAME", "a", "b", "… and 2 more: name those that you want to see"]
