"""An image made of busybox, in the forms that the engines take. No registry has a part in it."""

import hashlib
import json
import shutil
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.live.machine import FOREVER, LAB, run

ROOTFS = LAB / "rootfs"
TAR = LAB / "rootfs.tar"  # for `docker import`, `podman import`
ARCHIVE = LAB / "image.tar"  # an OCI image layout, for `ctr image import`
NAME = "ctrscope.test/busybox:1"


def make_image() -> None:
    """Make all of it, unless an earlier run did."""
    if ARCHIVE.exists():
        return
    make_rootfs(ROOTFS)
    with tarfile.open(TAR, "w") as tar:
        tar.add(ROOTFS, arcname=".")
    _write_archive(TAR.read_bytes(), ARCHIVE)


def make_rootfs(target: Path) -> None:
    """A root file system that every engine accepts, systemd-nspawn too (it wants ``usr/`` and an os-release)."""
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "run", "root", "var", "usr/bin", "www"):
        (target / name).mkdir(parents=True, exist_ok=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, target / "bin/busybox")
    for applet in run(busybox, "--list").split():
        link = target / "bin" / applet
        if applet != "busybox" and not link.is_symlink():
            link.symlink_to("busybox")
    (target / "etc/os-release").write_text("ID=busybox\nNAME=busybox\n")
    (target / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (target / "etc/group").write_text("root:x:0:\n")
    (target / "www/index.html").write_text("hello\n")


def _write_archive(layer: bytes, target: Path) -> None:
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(content)}

    tar_layer = blob("layer.v1.tar", layer)
    config = {
        "architecture": {"aarch64": "arm64"}.get(run("uname", "-m").strip(), "amd64"),
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": list(FOREVER), "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [tar_layer["digest"]]},
        "created": "2024-01-02T03:04:05Z",
        "history": [],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(config).encode()),
        "layers": [tar_layer],
    }
    entry = blob("manifest.v1+json", json.dumps(manifest).encode())
    entry["annotations"] = {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": NAME}
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
        **{f"blobs/sha256/{digest}": content for digest, content in blobs.items()},
    }
    partial = target.with_suffix(".partial")
    with tarfile.open(partial, "w") as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, BytesIO(content))
    partial.rename(target)
