"""The OCI project's own validation suite, with runc for comparison: what it passes, ``ctrscope-oci`` passes, and more.

The suite is the folder ``validation`` of github.com/opencontainers/runtime-tools, which Debian does not package: RUNTIME_TOOLS
names a checkout (with Debian 12's Go, commit f7e3563 is the newest that compiles). ``make test-oci``; about three minutes.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.bundles import program
from tests.requirements import require, require_root

_SECONDS = 120
_MOUNTED = re.compile(r"^\S+ (/tmp/ocitest\S*)", re.MULTILINE)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where its programs were built; they take the root file systems beside them."""
    source = os.environ.get("RUNTIME_TOOLS")
    if not source:
        pytest.skip("RUNTIME_TOOLS names no checkout of opencontainers/runtime-tools")
    require_root("makes containers")
    require("go", "runc")
    built = tmp_path_factory.mktemp("suite")
    cache = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=vendor",
        "GOCACHE": str(cache),
        "GOPATH": str(cache / "path"),
    }
    targets = {"runtimetest": "./cmd/runtimetest"}
    programs = [one.name for one in Path(source, "validation").glob("[a-z]*") if one.is_dir() and one.name != "util"]
    targets |= {f"{name}.t": f"./validation/{name}" for name in programs}
    for name, package in targets.items():
        subprocess.run(["go", "build", "-o", str(built / name), package], cwd=source, env=environment, check=True)
    for archive in Path(source).glob("rootfs-*.tar.gz"):
        (built / archive.name).symlink_to(archive.resolve())
    yield built
    # runc leaves mounts on the host where it was given no mount namespace.
    for path in reversed(_MOUNTED.findall(Path("/proc/mounts").read_text())):
        subprocess.run(["umount", path], check=False)


def is_clean(suite: Path, name: str, runtime: str) -> bool:
    """Whether one program of the suite ended well and found nothing wrong."""
    ended = subprocess.run(
        [suite / name],
        cwd=suite,
        env={**os.environ, "RUNTIME": runtime},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return ended.returncode == 0 and not re.search(r"^\s*not ok", ended.stdout, re.MULTILINE)


def test_it_passes_what_runc_passes_and_more(suite: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in suite.glob("*.t"))
    ours = {name for name in names if is_clean(suite, name, program(tmp_path))}
    theirs = {name for name in names if is_clean(suite, name, "runc")}
    counts = f"of {len(names)} programs {len(ours)} pass with ctrscope-oci, {len(theirs)} with runc"
    sys.stdout.write(f"{counts}\n")
    assert len(names) > 50
    # What fails with runc as well when it is asked again: pidfile.t has to kill `true` before that ends by itself.
    worse = {name for name in theirs - ours if all(is_clean(suite, name, "runc") for _ in range(8))}
    assert worse == set(), counts
    assert len(ours) >= len(theirs), counts
