"""Image layouts made by hand: each layer a list of entries, as hostile as a test wants it."""

import gzip
import hashlib
import json
import platform
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
Entry = tuple[tarfile.TarInfo, bytes]


def _zstd(content: bytes) -> bytes:
    return subprocess.run(("zstd", "-q"), input=content, capture_output=True, check=True).stdout


_COMPRESSED: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": lambda one: gzip.compress(one, mtime=0), "zstd": _zstd}


def file(name: str, content: bytes = b"", **fields: Any) -> Entry:
    entry = special(name, tarfile.REGTYPE, **fields)[0]
    entry.size = fields.get("size", len(content))
    return entry, content


def folder(name: str, **fields: Any) -> Entry:
    return special(name, tarfile.DIRTYPE, **{"mode": 0o755, **fields})


def symlink(name: str, target: str) -> Entry:
    return special(name, tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Entry:
    return special(name, tarfile.LNKTYPE, linkname=target)


def special(name: str, kind: bytes, **fields: Any) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry, b""


def archive(entries: Iterable[Entry]) -> bytes:
    """An archive that says of each entry what it is told to, sizes that are not there included."""
    written = b""
    for entry, content in entries:
        form: Literal[1, 2] = tarfile.PAX_FORMAT if 0 <= entry.size < 1 << 33 else tarfile.GNU_FORMAT
        written += entry.tobuf(form) + content + bytes(-len(content) % 512)
    return written + bytes(1024)


def write_layout(
    target: Path,
    layers: Sequence[bytes],
    *,
    tag: str = "latest",
    config: dict[str, Any] | None = None,
    compress: str = "",
    diff_ids: Sequence[str] | None = None,
) -> str:
    """A layout with one image; returns its name and tag. Compressed layers are as skopeo writes them."""
    blobs = target / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(kind: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    kind = f"layer.v1.tar{f'+{compress}' if compress else ''}"
    descriptors = [blob(kind, _COMPRESSED[compress](one)) for one in layers]
    image = {
        "architecture": MACHINE,
        "os": "linux",
        "config": config or {},
        "rootfs": {
            "type": "layers",
            "diff_ids": diff_ids or [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers],
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(image).encode()),
        "layers": descriptors,
    }
    entry = blob("manifest.v1+json", json.dumps(manifest).encode())
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    index = target / "index.json"
    known = json.loads(index.read_text())["manifests"] if index.exists() else []
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*known, entry]}))
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"{target}:{tag}"
