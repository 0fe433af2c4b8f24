"""Holes of the kernel by which a process becomes root, of the host too, and which stable release mended each.

By number only: a distribution may have mended one without a newer release, and a kernel built without the part in question
never had it. So what is said is a hint, and no more.

*Source:* what linux-exploit-suggester knows programs for since Linux 4, and what came later; releases from the kernel's stable
changelogs as linux_kernel_cves collected them until 2024, then from the records of the kernel's own CVE team. CVE-2026-43500 is
open from 5.3 on; what mended it before 6.18 we have not seen. *Versions:* read in November 2026.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ctrscope.findings.security.releases import numbers


class KernelHole(NamedTuple):
    """One hole: open from the first release on; a branch that is not listed ended without being mended."""

    cve: str
    words: str
    first: str
    #: The release of each branch, in order. What is beyond the last branch never had it, or has it mended.
    mended: str


HOLES = (
    KernelHole(
        "CVE-2016-5195",
        "Dirty COW: files that may only be read are written in a race",
        "2.6.22",
        "3.12.66 3.16.38 3.18.44 4.1.35 4.4.26 4.7.9 4.8.3",
    ),
    KernelHole(
        "CVE-2016-8655",
        "packet sockets, which CAP_NET_RAW opens, are used after they are freed",
        "3.2",
        "3.2.85 3.12.69 3.16.40 3.18.46 4.1.37 4.4.38 4.8.14",
    ),
    KernelHole(
        "CVE-2017-7308",
        "packet sockets, which CAP_NET_RAW opens, write past their ring",
        "3.2",
        "3.2.89 3.12.74 3.16.44 3.18.49 4.1.41 4.4.62 4.9.23 4.10.11",
    ),
    KernelHole("CVE-2017-16995", "BPF programs of every user write where they like", "4.4", "4.4.123 4.9.72 4.14.9"),
    KernelHole(
        "CVE-2017-1000112",
        "fragments of UDP are written past their end; needs CAP_NET_ADMIN in any user namespace",
        "2.6.15",
        "3.16.47 3.18.65 4.4.82 4.9.43 4.12.7",
    ),
    KernelHole(
        "CVE-2018-18955", "a user namespace within another has rights over ids that it has not", "4.15", "4.18.19 4.19.2"
    ),
    KernelHole(
        "CVE-2020-14386",
        "packet sockets, which CAP_NET_RAW opens, write before their ring",
        "4.6",
        "4.9.239 4.14.201 4.19.150 5.4.64 5.8.8",
    ),
    KernelHole("CVE-2021-3490", "BPF programs of every user write where they like", "5.7", "5.10.37 5.11.21 5.12.4"),
    KernelHole(
        "CVE-2021-22555",
        "rules of x_tables write past their end; needs CAP_NET_ADMIN in any user namespace",
        "2.6.19",
        "4.4.267 4.9.267 4.14.231 4.19.188 5.4.113 5.10.31 5.11.15",
    ),
    KernelHole(
        "CVE-2021-33909",
        "Sequoia: a very long path is written before its buffer; needs CAP_SYS_ADMIN in any user namespace",
        "3.16",
        "4.4.276 4.9.276 4.14.240 4.19.198 5.4.134 5.10.52 5.12.19 5.13.4",
    ),
    KernelHole("CVE-2021-43267", "keys of TIPC are written past their end", "5.10", "5.10.77 5.14.16"),
    KernelHole(
        "CVE-2022-0185",
        "options of a mount write past a page; needs CAP_SYS_ADMIN in any user namespace",
        "5.1",
        "5.4.173 5.10.93 5.15.16 5.16.2",
    ),
    KernelHole(
        "CVE-2022-0492",
        "release_agent of cgroup v1 is written from any user namespace",
        "2.6.24",
        "4.9.301 4.14.266 4.19.229 5.4.177 5.10.97 5.15.20 5.16.6",
    ),
    KernelHole(
        "CVE-2022-0847",
        "Dirty Pipe: files that may only be read are written, those of images and of the runtime too",
        "5.8",
        "5.10.102 5.15.25 5.16.11",
    ),
    KernelHole("CVE-2022-0995", "filters of watch queues write past their end", "5.8", "5.10.106 5.15.29 5.16.15"),
    KernelHole(
        "CVE-2022-2586",
        "sets of nf_tables are used after they are freed; needs CAP_NET_ADMIN in any user namespace",
        "3.16",
        "4.14.316 4.19.256 5.4.211 5.10.137 5.15.61 5.18.18 5.19.2",
    ),
    KernelHole(
        "CVE-2022-2588",
        "filters of cls_route are used after they are freed; needs CAP_NET_ADMIN in any user namespace",
        "2.6.12",
        "4.9.326 4.14.291 4.19.256 5.4.211 5.10.137 5.15.61 5.18.18 5.19.2",
    ),
    KernelHole(
        "CVE-2022-32250",
        "expressions of nf_tables are used after they are freed; needs CAP_NET_ADMIN in any user namespace",
        "4.1",
        "4.9.318 4.14.283 4.19.247 5.4.198 5.10.120 5.15.45 5.17.13 5.18.2",
    ),
    KernelHole(
        "CVE-2022-34918",
        "elements of nf_tables are written past their end; needs CAP_NET_ADMIN in any user namespace",
        "4.1",
        "4.14.316 4.19.284 5.4.244 5.10.130 5.15.54 5.18.11",
    ),
    KernelHole("CVE-2023-0386", "overlayfs copies up setuid programs of a user namespace", "5.11", "5.15.91 6.1.9"),
    KernelHole(
        "CVE-2023-32233",
        "anonymous sets of nf_tables are used after they are freed; needs CAP_NET_ADMIN in any user namespace",
        "3.16",
        "4.14.315 4.19.283 5.4.243 5.10.180 5.15.111 6.1.28 6.2.15 6.3.2",
    ),
    KernelHole(
        "CVE-2024-1086",
        "verdicts of nf_tables are freed twice; needs CAP_NET_ADMIN in any user namespace",
        "3.15",
        "4.19.307 5.4.269 5.10.210 5.15.149 6.1.76 6.6.15 6.7.3",
    ),
    KernelHole(
        "CVE-2026-31431",
        "Copy Fail: files that may only be read are written through AF_ALG, those of images and of other containers too",
        "4.14",
        "5.10.254 5.15.204 6.1.170 6.6.137 6.12.85 6.18.22 6.19.12",
    ),
    KernelHole(
        "CVE-2026-43284",
        "Dirty Frag: files that may only be read are written through ESP; needs CAP_NET_ADMIN in any user namespace",
        "4.11",
        "5.10.255 5.15.206 6.1.172 6.6.138 6.12.87 6.18.28 7.0.5",
    ),
    KernelHole(
        "CVE-2026-43499",
        "a futex(2) that is requeued is used after it is freed; needs no right, and the filters of engines let it through",
        "2.6.39",
        "5.10.261 5.15.212 6.1.175 6.6.140 6.12.86 6.18.27 7.0.4",
    ),
    KernelHole(
        "CVE-2026-43500",
        "Dirty Frag: files that may only be read are written through RxRPC, where it is there",
        "6.13",
        "6.18.29 7.0.6",
    ),
    KernelHole(
        "CVE-2026-46300",
        "Fragnesia: files that may only be read are written through ESP; needs CAP_NET_ADMIN in any user namespace",
        "3.9",
        "5.10.257 5.15.208 6.1.174 6.6.141 6.12.91 6.18.33 7.0.10",
    ),
)


def open_kernel_holes(release: str) -> Iterator[tuple[KernelHole, str]]:
    """Holes that this release has by its number, each with the first release after it that has it mended."""
    own = numbers(release)[:3]
    for one in HOLES if own else ():
        later = [fixed for fixed in one.mended.split() if numbers(fixed)[:2] >= own[:2]]
        if own >= numbers(one.first)[:3] and later and own < numbers(later[0])[:3]:
            yield one, later[0]
