"""A handful of test containers that shows every view something, each started the way anybody can start one.

They are what ``ctrscope run`` makes of this host's own root and its Python: no image, no download. What belongs to the demo is
told by a variable in its environment, so that nothing of anybody else's is removed, whatever its name.
"""

import fcntl
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ctrscope.attach.syscalls import MS_BIND, mount, unmount
from ctrscope.network.bridge import find_plan
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.state import State, default_root, is_alive, list_ids, read_spec, read_state

_MARK = "CTRSCOPE_DEMO=1"
#: Keeps the network namespace of a container that is gone: so a CNI plug-in leaves one that it was not told to remove.
_LEFTOVER = "/run/netns/cni-de300000-0000-4000-8000-000000000000"
_LOCK = "/run/ctrscope/demo.lock"

_SERVE = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"This is the demo of ctrscope.\\n")
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
"""
_ASK = """
import sys, time, urllib.request
while True:
    try:
        print(urllib.request.urlopen(sys.argv[1], timeout=5).status, flush=True)
    except OSError as error:
        print(error, flush=True)
    time.sleep(0.5)
"""
_GROW = """
import time
kept = []
while True:
    kept.append(bytearray(b"x") * (1 << 20))
    time.sleep(0.5)
"""
_WORK = "while True: pass"
_WAIT = "import signal; signal.pause()"


class _Part(NamedTuple):
    """One container: what ``run`` is told, and what its program is."""

    name: str
    options: tuple[str, ...]
    code: str
    arguments: tuple[str, ...] = ()


_HUNGRY = _Part("demo-hungry", ("--memory", "40m"), _GROW)


@contextmanager
def demo(say: Callable[[str], None]) -> Iterator[None]:
    """All of it as long as the block lasts; what a demo that was killed has left is removed first.

    *say* is handed each command before it is run. Errors: LauncherError.
    """
    if os.geteuid() != 0:
        raise LauncherError("demo needs root: it makes a bridge and sets limits")
    os.makedirs(os.path.dirname(_LOCK), mode=0o711, exist_ok=True)
    with open(_LOCK, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LauncherError("another ctrscope demo is running: end it first") from None
        _remove_all()
        try:
            _start_all(say)
            yield
        finally:
            _remove_all()
            os.unlink(_LOCK)


def tend() -> None:
    """Start again what was killed for its memory. Errors: LauncherError."""
    for state in _ours():
        if state.name == _HUNGRY.name and not is_alive(state):
            _remove((state.id,))
            _run(_HUNGRY, lambda _: None)


def _start_all(say: Callable[[str], None]) -> None:
    _run(_Part("demo-web", ("--net", "bridge", "-p", f"127.0.0.1:{_port()}:80"), _SERVE, ("", "80")), say)
    plan = next(plan for state in _ours() if (plan := find_plan(default_root(), state.id)) is not None)
    web = plan.address.partition("/")[0]
    for part in (
        _Part("demo-client", ("--net", "bridge"), _ASK, (f"http://{web}/",)),
        _Part("demo-app", ("--net", "bridge"), _SERVE, ("127.0.0.1", "9000")),
        _Part("demo-sidecar", ("--net", "container:demo-app"), _ASK, ("http://127.0.0.1:9000/",)),
        _Part("demo-throttled", ("--cpus", "0.1"), _WORK),
        _HUNGRY,
        _Part("demo-gone", (), _WAIT),
    ):
        _run(part, say)
    gone = next(state for state in _ours() if state.name == "demo-gone")
    os.makedirs(os.path.dirname(_LEFTOVER), exist_ok=True)
    with open(_LEFTOVER, "wb"):
        pass
    say(f"mount --bind /proc/{gone.pid}/ns/net {_LEFTOVER}")
    mount(f"/proc/{gone.pid}/ns/net", _LEFTOVER, None, MS_BIND)
    _remove((gone.id,))


def _remove_all() -> None:
    _remove(state.id for state in _ours())
    with suppress(OSError):  # ENOENT: never made; EINVAL: not mounted yet
        unmount(_LEFTOVER, 0)
    with suppress(OSError):  # ENOENT; ENOTEMPTY and EBUSY: the directory is others', too
        os.unlink(_LEFTOVER)
        os.rmdir(os.path.dirname(_LEFTOVER))


def _ours() -> list[State]:
    """States of the containers that belong to a demo."""
    root = default_root()
    found = []
    for container_id in list_ids(root):
        with suppress(LauncherError):  # it went, or was killed before anything was written down
            process = read_spec(root, container_id).process
            if process is not None and _MARK in process.env:
                found.append(read_state(root, container_id))
    return found


def _run(part: _Part, say: Callable[[str], None]) -> None:
    options = ("--name", part.name, *part.options)
    # Of a virtual environment the interpreter that it was made of: that one is seldom below /root or /tmp, which are private.
    python = os.path.realpath(sys.executable)
    volume = () if sys.base_prefix == "/usr" else ("-v", f"{sys.base_prefix}:{sys.base_prefix}:ro")
    shown = " ".join(("ctrscope run -d", *map(shlex.quote, options), "-- python3 …", *part.arguments))
    say(shown)
    _ctrscope("run", "-d", *options, *volume, "--env", _MARK, "--", python, "-ISc", part.code, *part.arguments)


def _remove(ids: Iterable[str]) -> None:
    if wanted := tuple(ids):
        _ctrscope("rm", "--force", *wanted)


def _ctrscope(*arguments: str) -> None:
    # A session of its own: ^C and the end of the terminal are for us, who then remove what it made.
    argv = (sys.executable, "-m", "ctrscope", *arguments)
    done = subprocess.run(  # noqa: S603
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False
    )
    if done.returncode:
        raise LauncherError(f"ctrscope {arguments[0]}: {done.stderr.strip().removeprefix('ctrscope: ')}")


def _port() -> int:
    """8080, or one that is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
