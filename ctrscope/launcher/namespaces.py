"""New and joined namespaces, and the ids that a new user namespace has.

*Source:* namespaces(7), user_namespaces(7) "Interaction of system calls…", time_namespaces(7), newuidmap(1).

The user namespace comes before the new ones, which it then owns. Joined ones are joined before it by root outside, which
has no power over them afterwards; what is refused then is tried again after, as only its root may join what it owns.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from ctrscope.attach import syscalls
from ctrscope.model.namespace import OCI_TYPES, NamespaceType
from ctrscope.oci.errors import LauncherError, run_program, step
from ctrscope.oci.spec import Linux
from ctrscope.probes.nsfs import identify


def open_joined(linux: Linux) -> dict[NamespaceType, int]:
    """Descriptors of the namespaces to join, while their names mean something. Errors: LauncherError."""
    handles = {}
    for number, one in enumerate(linux.namespaces):
        if one.path:
            with step(f"$.linux.namespaces[{number}].path: {one.path}"):
                handles[OCI_TYPES[one.type]] = handle = os.open(one.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if not _is_of_type(handle, OCI_TYPES[one.type]):
                for handle in handles.values():
                    os.close(handle)
                raise LauncherError(f"$.linux.namespaces[{number}].path: {one.path} is no {one.type} namespace")
    return handles


def _is_of_type(handle: int, type_: NamespaceType) -> bool:
    try:
        return identify(handle).type is type_
    except OSError:  # ENOTTY: no namespace at all
        return False


def enter(linux: Linux, joined: Mapping[NamespaceType, int], ask_for_ids: Callable[[], None]) -> None:
    """Join and get all but the cgroup namespace, which shows the cgroup that one is in when it is made.

    Those of PIDs and clocks count for children only. *ask_for_ids* returns when somebody outside wrote the maps.
    """
    refused = [type_ for type_, handle in joined.items() if type_ is not NamespaceType.USER and not _join(type_, handle)]
    user = linux.find_namespace("user")
    if user is not None:
        if user.path:
            _join(NamespaceType.USER, joined[NamespaceType.USER], final=True)
        else:
            syscalls.unshare(NamespaceType.USER)
            ask_for_ids()
        become_root()
    for type_ in refused:
        _join(type_, joined[type_], final=True)
    new = {OCI_TYPES[one.type] for one in linux.namespaces if not one.path} - {NamespaceType.USER, NamespaceType.CGROUP}
    syscalls.unshare(*new)
    for name, offset in linux.time_offsets.items():
        with open("/proc/self/timens_offsets", "w", encoding="utf-8") as file:
            file.write(f"{name} {offset.secs} {offset.nanosecs}")


def become_root() -> None:
    """Be root of a user namespace that was entered, so that what is made there is root's. Not mapped: all stays."""
    with suppress(PermissionError):  # it is denied to ordinary users
        os.setgroups([])
    with suppress(OSError):  # EINVAL: 0 is not mapped
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def write_maps(pid: int, linux: Linux) -> None:
    """Map the ids of the user namespace that *pid* has just got. Errors: LauncherError."""
    for kind, mappings, own in (("uid", linux.uid_mappings, os.geteuid()), ("gid", linux.gid_mappings, os.getegid())):
        lines = [(str(one.container_id), str(one.host_id), str(one.size)) for one in mappings]
        if os.geteuid() == 0 or (len(lines) == 1 and mappings[0].size == 1 and mappings[0].host_id == own):
            if os.geteuid() != 0 and kind == "gid":
                _write(f"/proc/{pid}/setgroups", "deny")
            _write(f"/proc/{pid}/{kind}_map", "".join(f"{' '.join(line)}\n" for line in lines))
        else:  # more than one's own id: that takes the package uidmap
            run_program(f"new{kind}map", (f"new{kind}map", str(pid), *(word for line in lines for word in line)))


def _write(path: str, text: str) -> None:
    with step(f"mapping ids, {path}", f"; mapped was: {text.strip() or 'nothing'}"), open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _join(type_: NamespaceType, handle: int, *, final: bool = False) -> bool:
    try:
        syscalls.setns(handle, type_)
    except PermissionError:
        if final:
            raise LauncherError(f"joining the {type_} namespace: not permitted") from None
        return False
    except OSError as error:
        raise LauncherError(f"joining the {type_} namespace: {error.strerror}") from None
    return True
