"""Entering containers of real engines: exactly the set that was asked for, and confined exactly as their own exec."""

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from ctrscope.attach.enter import enter
from ctrscope.attach.plan import plan_attach
from ctrscope.attach.request import AttachRequest
from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.hostfs import HostFs
from tests.against.names import called

pytestmark = pytest.mark.usefixtures("peopled")

TYPES = tuple(NamespaceType)
SUBSETS = [subset for size in range(1, len(TYPES) + 1) for subset in itertools.combinations(TYPES, size)]
#: What a confined command is, in words that do not name its own PID. podman exec forgets the HOSTNAME that init has.
LOOK = (
    "grep -E '^(Uid|Gid|Groups|Cap|Seccomp|NoNew)' /proc/self/status;"
    " cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj;"
    " cat /proc/self/attr/current 2>/dev/null;"
    " env | grep -Ev '^(SHLVL|TERM|HOSTNAME)='; pwd;"
    " for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done"
)


def find(key: str) -> Container:
    snapshot = discover(HostFs(), Plan(namespaces=True, addresses=False))
    (found,) = [one for one in snapshot.containers if f"{one.engine}/{one.name}" == key]
    return found


@pytest.mark.parametrize("key", ["docker/cs-web", "podman/cs-p-web", "runc/cs-r1", "lxc/cs-lx1"])
def test_every_set_of_namespaces_is_joined_exactly(key: str) -> None:
    """255 sets for each engine: the command has the container's namespace for each type asked for, the host's for the rest."""
    engine, _, name = key.partition("/")
    container = find(f"{engine}/{called(name)}")
    wrong = []
    for subset in SUBSETS:
        inside = {str(type_): os.readlink(f"/proc/{container.pid}/ns/{type_}") for type_ in subset}
        expected = {str(type_): os.readlink(f"/proc/self/ns/{type_}") for type_ in TYPES} | inside
        if (found := namespaces_of_command(container, subset)) != expected:
            wrong.append((subset, found))
    assert wrong == []


def namespaces_of_command(container: Container, types: Sequence[NamespaceType]) -> dict[str, str]:
    """Enter with a command that waits, and look at it from outside."""
    plan = plan_attach(HostFs(), container, AttachRequest(namespaces=tuple(types), argv=("cat",)))
    stdin, typed = os.pipe()
    said, stdout = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
            os.closerange(3, 64)
            status = enter(plan)
        finally:
            os._exit(status)
    os.close(stdin)
    os.close(stdout)
    os.write(typed, b"x")
    assert os.read(said, 1) == b"x"  # it runs
    (between,) = children(child)
    (command,) = children(between)
    found = {str(type_): os.readlink(f"/proc/{command}/ns/{type_}") for type_ in TYPES}
    os.close(typed)
    os.close(said)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return found


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        ("docker", "cs-web"),
        ("docker", "cs-side"),
        ("podman", "cs-p-web"),
        ("podman", "cs-p-readonly"),
        ("runc", "cs-r1"),
        ("runc", "cs-r2-limits"),
    ],
)
def test_confined_is_what_the_engines_own_exec_makes(engine: str, name: str) -> None:
    name = called(name)
    theirs = output([engine, "exec", name, "sh", "-c", LOOK])
    mine = output([sys.executable, "-m", "ctrscope", "attach", f"{engine}/{name}", "--confined", "--", "sh", "-c", LOOK])
    assert sorted(mine) == sorted(theirs)
    assert len(mine) > 40


def output(command: Sequence[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
