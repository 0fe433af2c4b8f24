"""The file of a namespace, as this kernel has it: of ourselves, so that it takes no privilege."""

import os

import pytest

from ctrscope.model.namespace import NamespaceId, NamespaceType
from ctrscope.probes import nsfs
from ctrscope.probes.hostfs import HostFs

HOST = HostFs()


@pytest.mark.parametrize("type_", NamespaceType)
def test_type_and_number_are_those_of_the_link(type_: NamespaceType) -> None:
    with HOST.namespace(f"/proc/self/ns/{type_}") as handle:
        assert str(nsfs.identify(handle)) == os.readlink(f"/proc/self/ns/{type_}")
        assert not os.get_inheritable(handle)


def test_the_owner_of_ours_is_our_user_namespace_and_has_an_owner_uid() -> None:
    with HOST.namespace("/proc/self/ns/uts") as handle:
        owner = nsfs.open_owner(handle)
    if owner is None:
        pytest.skip("our namespaces are owned from outside of our user namespace")
    try:
        assert nsfs.identify(owner) == NamespaceId(NamespaceType.USER, os.stat("/proc/self/ns/user").st_ino)
        assert nsfs.read_owner_uid(owner) >= 0
    finally:
        os.close(owner)


def test_only_pid_and_user_namespaces_have_parents() -> None:
    with HOST.namespace("/proc/self/ns/net") as handle, pytest.raises(OSError, match="Invalid argument"):
        nsfs.open_parent(handle)
    with HOST.namespace("/proc/self/ns/pid") as handle:
        parent = nsfs.open_parent(handle)  # None: the initial one, or a parent that is not for us to see
        if parent is not None:
            os.close(parent)


def test_an_ordinary_file_is_no_namespace() -> None:
    with open("/proc/self/status") as file, pytest.raises(OSError, match="ioctl"):
        nsfs.identify(file.fileno())


def test_a_namespace_of_a_type_that_is_not_known_is_an_error_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsfs, "_TYPES", {})
    with HOST.namespace("/proc/self/ns/net") as handle, pytest.raises(OSError, match="not known: 0x40000000"):
        nsfs.identify(handle)
