"""Ways into network namespaces that no process is in."""

from pathlib import Path

import pytest

from ctrscope.discovery.entrances import Entrance, add_held
from ctrscope.model.namespace import Holder, HolderKind, Namespace, NamespaceType
from tests.builders import HostTree


@pytest.mark.parametrize(("fs_type", "paths"), [("tmpfs", ["/proc/90/root/mnt/blue"]), ("fuse", [])])
def test_no_way_leads_through_a_file_system_that_may_never_answer(tmp_path: Path, fs_type: str, paths: list[str]) -> None:
    host = HostTree(tmp_path)
    mounts = f"21 1 8:1 / / rw - ext4 a rw\n22 21 0:99 / /mnt rw - {fs_type} x rw\n23 22 0:4 net:[5] /mnt/blue rw - nsfs n rw\n"
    host.file("/proc/90/mountinfo", mounts)
    held = (Holder(kind=HolderKind.BIND_MOUNT, pid=90, path="/mnt/blue"),)
    found: dict[int, Entrance] = {}
    add_held(host.fs, found, [Namespace(type=NamespaceType.NET, ino=5, nprocs=0, held_by=held)])
    assert found[5].paths == paths
