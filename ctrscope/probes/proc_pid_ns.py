"""/proc/PID/ns/*: the namespaces a process is in.

*Source:* namespaces(7). Each link reads ``net:[4026531833]``; the number is the inode on nsfs.
*Kernel:* ``cgroup`` since 4.6, ``time`` since 5.6; a zombie has no links (ENOENT), another user's need CAP_SYS_PTRACE.
"""

import functools

from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.probes.hostfs import HostFs, ProcDir

_NAMES = tuple(str(type_) for type_ in NamespaceType)


def read_namespaces(host: HostFs, pid: int) -> NamespaceSet:
    """Read all links of one process. Errors: EACCES; ENOENT when the process is gone."""
    return read_namespaces_below(host, f"/proc/{pid}")


def read_namespaces_below(host: HostFs, directory: str) -> NamespaceSet:
    """Read all links of ``/proc/PID`` or of one thread, ``/proc/PID/task/TID``. Errors: as ``read_namespaces``."""
    links = host.readlinks(f"{directory}/ns", names=_NAMES)
    return NamespaceSet(**{name: _parse_again(link) for name, link in zip(_NAMES, links, strict=True) if link is not None})


def read_namespaces_of(process: ProcDir) -> NamespaceSet:
    """Read all links below an open /proc/PID. A link that this kernel lacks is None. Errors: EACCES."""
    found: dict[str, int] = {}
    for name in _NAMES:
        try:
            found[name] = _parse_again(process.readlink(f"ns/{name}"))
        except OSError as error:
            if error.errno not in VANISHED:
                raise
    return NamespaceSet(**found)


def parse_namespace(text: str) -> int:
    """Inode number of ``net:[4026531833]``."""
    _, opening, rest = text.partition(":[")
    number, closing = rest[:-1], rest[-1:]
    if not opening or closing != "]" or not number.isdecimal():
        raise ParseError(f"not a namespace link: {text!r}")
    return int(number)


_parse_again = functools.lru_cache(maxsize=256)(parse_namespace)  # of most processes they are the host's
