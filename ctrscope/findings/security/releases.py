"""Releases of engines and runtimes that let a container out, or somebody in, and which release mended it.

*Source:* the CHANGELOG of runc, NEWS of crun, RELEASE_NOTES of Podman, the advisories of containerd and Moby as the GitHub
Advisory Database has them. *Versions:* read in November 2026.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Advisory(NamedTuple):
    """One hole. A release is open when it is in one of the ranges: from the first on, before the second."""

    packages: tuple[str, ...]
    cve: str
    words: str
    ranges: tuple[tuple[str, str], ...]  # "" as the first: from the beginning


_CONTAINERD = ("containerd", "containerd.io")
_DOCKER = ("docker.io", "docker-ce", "moby-engine", "docker")
ADVISORIES = (
    Advisory(("runc",), "CVE-2019-5736", "a container overwrites the runtime", (("", "1.0.0-rc7"),)),
    Advisory(("runc",), "CVE-2021-30465", "a mount is led out of the container in a race", (("", "1.0.0-rc95"),)),
    Advisory(("runc",), "CVE-2024-21626", "a leaked directory of the host leads out", (("1.0.0-rc93", "1.1.12"),)),
    Advisory(
        ("runc",),
        "CVE-2025-31133",
        "masked paths are swapped while they are mounted; CVE-2025-52565, CVE-2025-52881 with it",
        (("", "1.2.8"), ("1.3.0-rc.1", "1.3.3"), ("1.4.0-rc.1", "1.4.0-rc.3")),
    ),
    Advisory(
        ("runc",),
        "CVE-2026-41579",
        "an image whose /dev is a link makes the runtime write outside",
        (("", "1.3.6"), ("1.4.0-rc.1", "1.4.3"), ("1.5.0-rc.1", "1.5.0-rc.3")),
    ),
    Advisory(("crun",), "CVE-2022-27650", "inheritable capabilities are given by default", (("", "1.4.4"),)),
    Advisory(("crun",), "CVE-2026-47766", "an image whose /dev is a link makes the runtime write outside", (("", "1.28"),)),
    Advisory(
        _CONTAINERD, "CVE-2020-15257", "the shim's socket is in reach of host networking", (("", "1.3.9"), ("1.4.0", "1.4.3"))
    ),
    Advisory(
        _CONTAINERD,
        "CVE-2022-23648",
        "volumes of an image read files of the host",
        (("", "1.4.13"), ("1.5.0", "1.5.10"), ("1.6.0", "1.6.1")),
    ),
    Advisory(
        _CONTAINERD,
        "CVE-2026-53488",
        "labels of an image run commands as root of the host; CVE-2026-53492 with it",
        (("", "1.7.33"), ("2.0.0", "2.0.10"), ("2.1.0", "2.1.9"), ("2.2.0", "2.2.5"), ("2.3.0", "2.3.2")),
    ),
    Advisory(_DOCKER, "CVE-2019-5736", "a container overwrites the runtime", (("", "18.06.2"), ("18.09.0", "18.09.2"))),
    Advisory(_DOCKER, "CVE-2019-13139", "the address of a build runs commands", (("", "18.09.4"),)),
    Advisory(
        _DOCKER,
        "CVE-2024-41110",
        "authorization plug-ins are bypassed",
        (("19.03.0", "23.0.15"), ("24.0.0", "25.0.6"), ("26.0.0", "26.1.5"), ("27.0.0", "27.1.1")),
    ),
    Advisory(_DOCKER, "CVE-2026-34040", "authorization plug-ins are bypassed again", (("", "29.3.1"),)),
    Advisory(
        _DOCKER,
        "CVE-2026-41567",
        "docker cp runs a program of the container as root of the host; CVE-2026-41568, CVE-2026-42306 with it",
        (("", "29.5.1"),),
    ),
    Advisory(("podman",), "CVE-2022-1227", "podman top runs code of the image on the host", (("", "3.4.7"),)),
    Advisory(("podman",), "CVE-2023-0778", "exporting a volume reads files of the host", (("", "4.4.2"),)),
    Advisory(("podman",), "CVE-2024-1753", "a build mounts the host's root", (("", "4.9.4"), ("5.0.0", "5.0.1"))),
)
#: A release comes after all of its candidates.
_RELEASED = 1 << 16


def open_holes(package: str, version: str) -> Iterator[tuple[Advisory, str]]:
    """Advisories that this version of a package is in the range of, each with the release that mends it."""
    own = numbers(version)
    if not own:
        return
    for one in ADVISORIES:
        if package in one.packages:
            for first, fixed in one.ranges:
                if numbers(first) <= own < numbers(fixed):
                    yield one, fixed
                    break


def numbers(version: str) -> tuple[int, ...]:
    """``1:20.10.24+dfsg1-1`` → (20, 10, 24, 65536), ``1.0.0~rc93+ds1-5`` → (1, 0, 0, 93): upstream's words."""
    upstream = version.partition(":")[2] or version
    match = re.match(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(?:[-~]rc\.?(\d{1,5}))?", upstream)
    if match is None:
        return ()
    first, second, third, candidate = match.groups()
    return (int(first), int(second or 0), int(third or 0), _RELEASED if candidate is None else int(candidate))
