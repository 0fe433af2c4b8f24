"""Which stable release the running kernel is, and what its distribution says it mended without a newer one.

*Source:* proc_version(5); Ubuntu's ``/proc/version_signature``; ``/proc/sys/kernel/osrelease``; changelogs below
``/usr/share/doc``.
"""

import re
import zlib
from contextlib import suppress
from typing import NamedTuple

from ctrscope.discovery.changelog import parse_changelog
from ctrscope.findings.security.kernels import open_kernel_holes
from ctrscope.probes.hostfs import HostFs

OSRELEASE = "/proc/sys/kernel/osrelease"


class KernelRelease(NamedTuple):
    """What is known of the kernel's age."""

    stable: str | None  # "6.1.176"; None: its vendor's number does not say
    source: str  # the file that says it
    mended: tuple[str, ...] | None  # CVE numbers of its changelog; None: there is none, or nothing to look for


def read_kernel_release(host: HostFs, release: str) -> KernelRelease:
    """Look at the kernel whose release (``uname -r``) is known."""
    found: dict[str, str] = {}
    for path in ("/proc/version_signature", "/proc/version"):
        with suppress(OSError):
            found[path] = host.read(path).decode("utf-8", "replace")
    stable, source = find_stable_release(release, found.get("/proc/version", ""), found.get("/proc/version_signature", ""))
    is_old = any(open_kernel_holes(stable or release))
    return KernelRelease(stable, source, _read_mended(host, release) if is_old else None)


def find_stable_release(release: str, version: str, signature: str) -> tuple[str | None, str]:
    """The stable release a kernel is built from, and the file that says it.

    Ubuntu's signature ends with it, and so does Debian's version; others have it in the release, unless that is a vendor's
    own count: 4.18.0-553.el8, 5.15.0-91-generic, 5.14.21-150500.55-default.
    """
    words = signature.split()
    if words and re.fullmatch(r"\d+\.\d+\.\d+", words[-1]):
        return words[-1], "/proc/version_signature"
    debian = re.search(r" Debian (\d+\.\d+\.\d+)-", version)
    if debian is not None:
        return debian[1], "/proc/version"
    numbered = re.match(r"\d+\.\d+(?:\.\d+)?", release)
    is_own_count = re.search(r"\.el\d|^\d+\.\d+\.0-\d|-default$", release) is not None
    return (None if numbered is None or is_own_count else numbered[0]), OSRELEASE


def _read_mended(host: HostFs, release: str) -> tuple[str, ...] | None:
    for package in ("linux-image", "linux-modules"):
        for name in ("changelog.Debian.gz", "changelog.gz"):
            with suppress(OSError, EOFError, zlib.error):
                return parse_changelog(host.read(f"/usr/share/doc/{package}-{release}/{name}", limit=4 << 20))
    return None
