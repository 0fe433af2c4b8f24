"""What engines keep beside containers, as they left it on disk: images, writable layers, volumes, networks, secrets."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Literal

from ctrscope.model.container import EngineName
from ctrscope.model.value import Value

#: Who mounts an overlay: root, its owner, or fuse-overlayfs.
Mounted = Literal["kernel", "user", "fuse"]


class Kind(StrEnum):
    """What there are lists of."""

    IMAGE = "image"
    LAYER = "layer"  # the writable one of a container
    BUILD = "build"  # records of a build cache
    VOLUME = "volume"
    NETWORK = "network"
    SECRET = "secret"  # noqa: S105 -- a kind, not one


class ImageLayer(Value, frozen=True):
    """One layer of an image. Images of one store that name the same layer have it once on disk."""

    id: str  # as the store has it: a chain id, a layer id, the digest of a blob
    size: int | None  # bytes, as the store counts them


class Kept(Value, frozen=True, kw_only=True, dict=True):
    """One thing that an engine keeps."""

    engine: EngineName | None  # None: CNI, whose configuration is nobody's alone
    engine_namespace: str | None = None  # containerd namespace
    owner_uid: int = 0
    store: str  # directory in which its engine keeps it
    source: str  # the file that says that there is one
    created_at: str | None = None  # RFC 3339
    labels: Mapping[str, str] = {}
    containers: tuple[str, ...] = ()  # keys of those that use it


class Image(Kept, frozen=True, kw_only=True, dict=True):
    """An image. Without names it is dangling: nobody can ask for it but by its id."""

    id: str  # hash of its configuration; containerd: of its manifest or index
    names: tuple[str, ...] = ()  # repository:tag
    digests: tuple[str, ...] = ()  # repository@sha256:…, sha256:…
    size: int | None = None  # bytes, as its engine counts them
    size_source: str = ""  # files that the size was added up from
    shared_size: int | None = None  # of it, layers that other images of the store have too
    layers: tuple[ImageLayer, ...] = ()  # the lowest first
    config_path: str | None = None  # file with its OCI configuration

    @cached_property
    def key(self) -> str:
        """Unique on this host."""
        return f"image {self.engine} {self.owner_uid} {self.store} {self.engine_namespace or ''} {self.id}"


class Volume(Kept, frozen=True, kw_only=True, dict=True):
    """A volume. ``containers`` have it mounted now, as the kernel says; ``declared`` are to have it, as their engine says."""

    name: str
    driver: str | None = None
    mount_point: str | None = None  # directory on the host; None: its driver knows
    options: Mapping[str, str] = {}
    is_anonymous: bool = False  # made for one container, by a name that nobody chose
    declared: tuple[str, ...] = ()  # keys, of those that do not run too

    @cached_property
    def key(self) -> str:
        """Unique on this host."""
        return f"volume {self.engine} {self.owner_uid} {self.store} {self.name}"


class WritableLayer(Kept, frozen=True, kw_only=True, dict=True):
    """The directory of an overlay that has what a container changed of what it was made from."""

    container: str  # its key
    name: str  # of the container
    upper: str
    lower: tuple[str, ...] = ()  # the topmost first
    marks: Mounted = "kernel"  # who mounts it, hence how it says that something was deleted

    @cached_property
    def key(self) -> str:
        """Unique on this host."""
        return f"layer {self.container}"


class BuildRecord(Kept, frozen=True, kw_only=True, dict=True):
    """One record of a build cache: a step of a build, or what it took in."""

    id: str
    description: str = ""
    size: int | None = None  # bytes; None: nobody counted them
    is_shared: bool = False  # it is a layer of an image, too, and counted there
    last_used_at: str | None = None
    used: int | None = None  # by so many builds

    @cached_property
    def key(self) -> str:
        """Unique on this host."""
        return f"build {self.engine} {self.owner_uid} {self.store} {self.id}"


class KeptNetwork(Kept, frozen=True, kw_only=True, dict=True):
    """A network as an engine wrote it down; whether it is there is for the network screen to say."""

    id: str
    name: str
    driver: str | None = None
    subnets: tuple[str, ...] = ()  # CIDR
    gateways: tuple[str, ...] = ()
    bridge: str | None = None  # link of the host
    is_internal: bool = False  # without a way out

    @cached_property
    def key(self) -> str:
        """Unique on this host."""
        return f"network {self.engine} {self.owner_uid} {self.store} {self.id or self.name}"


class Secret(Kept, frozen=True, kw_only=True, dict=True):
    """Name of a secret. Its value is never read."""

    id: str
    name: str
    driver: str | None = None
    updated_at: str | None = None

    @cached_property
    def key(self) -> str:
        """Unique on this host."""
        return f"secret {self.engine} {self.owner_uid} {self.store} {self.id}"


class Usage(Value, frozen=True):
    """What all of a kind comes to."""

    total: int
    used: int  # of them, by a container, whether it runs or not
    size: int | None = None  # bytes on disk, what several share once; None: nobody counted
    unused_size: int | None = None  # of it, what only those have that no container uses


class Storage(Value, frozen=True, kw_only=True):
    """Everything that engines keep beside containers."""

    images: tuple[Image, ...] = ()
    layers: tuple[WritableLayer, ...] = ()
    builds: tuple[BuildRecord, ...] = ()
    volumes: tuple[Volume, ...] = ()
    networks: tuple[KeptNetwork, ...] = ()
    secrets: tuple[Secret, ...] = ()
    usage: Mapping[Kind, Usage] = {}


class HistoryStep(Value, frozen=True, kw_only=True):
    """One line of how an image was made, the oldest first."""

    created_at: str | None = None
    created_by: str = ""
    comment: str = ""
    size: int | None = None  # of the layer it made; 0: it made none


class ImageConfig(Value, frozen=True, kw_only=True):
    """What an image says about itself: OCI image configuration."""

    created_at: str | None = None
    author: str = ""
    os: str = ""
    architecture: str = ""
    user: str = ""
    working_dir: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()  # NAME=value; values that look secret are "***"
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    history: tuple[HistoryStep, ...] = ()


class Measured(Value, frozen=True):
    """What a directory holds, as du(1) counts: blocks on disk, each file once."""

    size: int  # bytes
    files: int
    is_whole: bool  # False: it was not gone through to the end
    trouble: str = ""  # why it is not whole
