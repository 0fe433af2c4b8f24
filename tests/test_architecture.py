"""Who may import whom, and who may touch the host: moving a line here is a design decision."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctrscope

PACKAGE = Path(ctrscope.__file__).parent
EVERYTHING = {
    "model",
    "probes",
    "engines",
    "findings",
    "discovery",
    "render",
    "export",
    "views",
    "attach",
    "act",
    "oci",
    "cgroups",
    "network",
    "images",
    "launcher",
    "run",
    "lock",
    "cli",
}
#: Layer → the layers it may import besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "probes": {"model"},
    "engines": {"model", "probes"},
    "findings": {"model"},
    "discovery": {"model", "probes", "engines", "findings"},
    "render": {"model"},
    "export": {"model", "render"},
    "views": {"model", "render"},
    "attach": {"model", "probes"},
    "act": {"model", "probes"},
    "oci": {"model", "probes", "attach"},  # attach: the types of linux.seccomp
    "cgroups": {"model", "probes", "attach", "act", "oci"},  # act: a cgroup held open, and the freezer
    "network": {"model", "probes", "oci"},
    "images": {"oci"},
    "launcher": {"model", "probes", "attach", "oci", "cgroups", "network"},
    "run": {"model", "probes", "attach", "oci", "cgroups", "network", "images", "launcher"},
    "lock": {"model", "attach"},  # the system calls
    "cli": EVERYTHING,
    "": {"cli"},  # ctrscope/__init__.py and __main__.py
}
#: Third-party name → the modules that may import it, by the beginning of their dotted name.
MAY_USE: dict[str, tuple[str, ...]] = {
    "msgspec": ("ctrscope",),
    "psutil": ("ctrscope.probes",),
    "pyroute2": ("ctrscope.probes.wireguard",),  # it takes ten times as long as probes.netlink: for what is rare
    "nsenter": (),  # only a test compares with it
    "textual": ("ctrscope.views",),
    "rich": ("ctrscope.views",),
}
#: Who may open files of the host, connect or start programs: reading goes through HostFs and netlink (the older tables of
#: iptables by getsockopt(2) on a socket that is connected to nothing), changing is for attach and act. cli.beside starts
#: a copy of a process that reads.
MAY_TOUCH = (
    "ctrscope.probes.hostfs", "ctrscope.probes.in_root", "ctrscope.probes.disk_usage",
    "ctrscope.probes.overlay_changes", "ctrscope.probes.netlink", "ctrscope.probes.iptables_legacy",
    "ctrscope.probes.proc_connector",
    "ctrscope.attach", "ctrscope.act", "ctrscope.oci", "ctrscope.cgroups", "ctrscope.network", "ctrscope.images",
    "ctrscope.launcher", "ctrscope.run", "ctrscope.cli.beside",
)  # fmt: skip
TOUCHING_MODULES = {"socket", "subprocess", "pty", "shutil", "tempfile", "pathlib", "glob"}
TOUCHING_CALLS = {
    "open", "io.open", "os.open", "os.fdopen", "os.listdir", "os.scandir", "os.walk", "os.readlink", "os.stat", "os.lstat",
    "os.mkdir", "os.makedirs", "os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir", "os.symlink", "os.link",
    "os.chmod", "os.chown", "os.truncate", "os.kill", "os.system", "os.popen", "os.fork", "os.execv", "os.execve", "os.execvp",
    "os.posix_spawn", "os.mknod", "os.mkfifo", "os.setuid", "os.setgid", "os.chdir", "os.chroot", "os.setns", "os.unshare",
}  # fmt: skip
#: A verb of the command line is found by name, so that the others are not imported.
DEFERRED = {"ctrscope.views": "ctrscope.cli.dashboard"}


def modules() -> list[tuple[str, ast.Module]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("ctrscope", *path.relative_to(PACKAGE).with_suffix("").parts)
        found.append((".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that they can be searched for"
            yield node.module or ""
            if node.module == "ctrscope":
                yield from (f"ctrscope.{alias.name}" for alias in node.names if alias.name != "__version__")


def layer_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else ""


def is_within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


def broken_rules(module: str, tree: ast.Module) -> list[str]:
    layer, broken = layer_of(module), []
    for name in imports(tree):
        top = name.split(".")[0]
        if top == "ctrscope" and (target := layer_of(name)) and target != layer and target not in MAY_IMPORT[layer]:
            broken.append(f"{module}: {layer or 'the package'} may not import {name}")
        if top in MAY_USE and not is_within(module, MAY_USE[top]):
            broken.append(f"{module}: only {MAY_USE[top]} may import {top}")
        if top in TOUCHING_MODULES and not is_within(module, MAY_TOUCH):
            broken.append(f"{module}: only {MAY_TOUCH} may import {top}")
        for heavy, place in DEFERRED.items():
            if name.startswith(heavy) and layer != layer_of(heavy) and module != place:
                broken.append(f"{module}: only {place} may import {name}")
    if not is_within(module, MAY_TOUCH):
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        broken += [f"{module}: only {MAY_TOUCH} may call {name}" for name in sorted(called & TOUCHING_CALLS)]
    return broken


@pytest.mark.parametrize(("module", "tree"), modules(), ids=[name for name, _ in modules()])
def test_a_module_keeps_to_its_layer(module: str, tree: ast.Module) -> None:
    assert broken_rules(module, tree) == []


def test_every_folder_of_the_package_is_a_layer_with_rules() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(MAY_IMPORT) - {""}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ctrscope.model.cgroup", "from ctrscope.probes.hostfs import HostFs"),
        ("ctrscope.render.units", "def f():\n    import ctrscope.discovery.discover"),
        ("ctrscope.views.app", "from ctrscope import probes"),
        ("ctrscope.engines.docker", "import socket"),
        ("ctrscope.engines.docker", "import pyroute2"),
        ("ctrscope.probes.netns", "from pyroute2 import IPRoute"),
        ("ctrscope.cli.ps", "from rich.table import Table"),
        ("ctrscope.cli.ps", "def f():\n    from ctrscope.views.app import CtrscopeApp"),
        ("ctrscope.discovery.discover", "open('/etc/passwd')"),
        ("ctrscope.engines.docker", "import os\nos.listdir('/')"),
    ],
)
def test_a_forbidden_line_is_caught(module: str, line: str) -> None:
    assert len(broken_rules(module, ast.parse(line))) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ctrscope.probes.hostfs", "import os\nos.open('/', 0)"),
        ("ctrscope.attach.enter", "import pty"),
        ("ctrscope.cli.dashboard", "def f():\n    from ctrscope.views.app import CtrscopeApp"),
        ("ctrscope.probes.netlink", "import socket"),
    ],
)
def test_a_line_in_its_place_is_fine(module: str, line: str) -> None:
    assert broken_rules(module, ast.parse(line)) == []
