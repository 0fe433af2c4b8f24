"""The command line answers at once because it imports little: what textual or pyroute2 cost, ``ps`` must not pay."""

import subprocess
import sys

import pytest

#: Modules of Python's own that take a millisecond or more, which text output has no use for.
SLOW = ("argparse", "decimal", "gettext", "locale", "platform", "typing_extensions", "uuid")
HEAVY = ("textual", "rich", "pyroute2", "psutil", "asyncio", "dataclasses", "json", "subprocess", "nsenter")
_PROGRAM = """
import sys
from ctrscope.cli import main
status = main(sys.argv[1:])
print("IMPORTED", *[name for name in sys.modules if name.split(".")[0] in {heavy!r}], file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("line", ["ps -a", "ps -q", "ps --json", "ns", "ns --deep"])
def test_a_listing_does_without_what_python_takes_long_to_import(line: str) -> None:
    command = [sys.executable, "-c", _PROGRAM.format(heavy=SLOW), *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in done.stderr.splitlines() if line.startswith("IMPORTED")] == ["IMPORTED"]


@pytest.mark.parametrize("line", ["ps -a", "ns --deep"])
def test_a_listing_does_without_the_types_of_figures_and_networks(line: str) -> None:
    types = "ctrscope.model.cgroup", "ctrscope.model.network", "ctrscope.model.detail", "ctrscope.model.finding"
    program = "import sys; from ctrscope.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program, *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stderr.split()).isdisjoint(types)


@pytest.mark.parametrize(
    "modules", ["ctrscope.cli", "ctrscope.cli.attach, ctrscope.attach.enter, ctrscope.attach.plan, ctrscope.act.record"]
)
def test_the_command_line_starts_without_regular_expressions(modules: str) -> None:
    program = f"import sys; before = 're' in sys.modules; import {modules}; print(before or 're' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"True\n"


def test_what_enters_a_container_without_a_terminal_does_without_what_makes_one_and_what_confines() -> None:
    own = "act.freezer", "attach.seccomp", "attach.terminal", "cli.consent", "discovery.isolation", "discovery.leftover"
    others = {"fcntl", "signal", "socket", "termios", "tty"} | {f"ctrscope.{name}" for name in own}
    modules = "ctrscope.cli.attach, ctrscope.attach.enter, ctrscope.attach.plan, ctrscope.discovery.discover"
    program = f"import sys; before = set(sys.modules); import {modules}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert others.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("line", ["ps", "ps -a", "ps --help", "ps --json", "--version", "help"])
def test_the_command_line_does_not_import_what_it_does_not_need(line: str) -> None:
    command = [sys.executable, "-c", _PROGRAM.format(heavy=HEAVY), *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("IMPORTED")] == ["IMPORTED"]
