r"""The store that Podman and CRI-O share: containers/storage.

*Source:* containers/storage ``containers.go`` (``GRAPHROOT/DRIVER-containers/containers.json``, and beside it
``volatile-containers.json``, which a transient store has below the run root), ``types/options.go`` (``storage.conf``: where the
roots are), ``pkg/configfile`` (``storage.conf.d``).
*Shape:* ``[{"id": …, "names": […], "image": …, "metadata": "{\"image-name\": …}", "created": …}]``. Directories of one
container: ``GRAPHROOT/DRIVER-containers/ID/userdata`` and the same below the run root, which a reboot clears.
*Versions:* the same since 2017; volatile containers since containers/storage 1.46: what Podman runs with ``--rm`` since 4.4,
and every container of CRI-O since 1.27. Podman reads ``storage.conf.d`` since 6.0.
"""

import os.path
from itertools import product
from typing import Any

import msgspec

from ctrscope.engines.engine import Survey, User
from ctrscope.engines.state_file import first_of, parse_json
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, gap_of
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

_CONFIGURATION = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
#: Of root, the strongest last: a file of the same name takes the place of one before it.
_DROP_INS = tuple(f"{base}/containers/storage{kind}.conf.d" for base in ("/usr/share", "/etc") for kind in ("", ".rootful"))
_ID = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")
_FIELDS = ("containers",)
_VOLATILE = "volatile-containers.json"


class Store(Value, frozen=True):
    """One store: two directory trees, and whose they are."""

    graphroot: str
    runroot: str
    uid: int

    @property
    def owner(self) -> int | None:
        """Who must own every file that is read from it; None for root's."""
        return self.uid or None

    @property
    def runtime_directory(self) -> str:
        """Where the user's OCI runtimes keep their state directories: ``/run``, ``/run/user/1000``."""
        return f"/run/user/{self.uid}" if self.uid else "/run"


class Metadata(msgspec.Struct, rename="kebab"):
    """The JSON text that the engine stored with a container. The keys about pods are CRI-O's."""

    image_name: str = ""
    image_id: str = ""
    name: str = ""
    created_at: int = 0
    metadata_name: str = ""
    pod_name: str = ""
    pod_id: str = ""
    uid: str = ""
    namespace: str = ""
    attempt: int = 0


class StoredContainer(Value, frozen=True, kw_only=True):
    """A container as the store knows it."""

    id: str
    name: str | None
    image_id: str | None
    metadata: Metadata
    created_at: str | None  # RFC 3339
    userdata: str  # directory that outlives a reboot
    run_userdata: str
    source: str


class _Entry(msgspec.Struct):
    id: str
    names: list[str] | None = None
    image: str = ""
    metadata: str = ""
    created: str | None = None


_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_entry_decoder = msgspec.json.Decoder(_Entry)
_metadata_decoder = msgspec.json.Decoder(Metadata)


def find_root_store(host: HostFs, subject: str) -> Reading[Store]:
    """Root's store, at the place that storage.conf names; it need not exist. *subject* is for the gaps."""
    settings, gaps = _read_configuration(host, subject)
    return Reading(_root_store(settings), gaps)


def find_stores(survey: Survey, subject: str) -> Reading[tuple[Store, ...]]:
    """Root's store and that of each user; they need not exist. *subject* is for the gaps."""
    host = survey.host
    settings, root_gaps = _read_configuration(host, subject)
    stores, gaps = [_root_store(settings)], [*root_gaps]
    for user in survey.users:
        path = f"{user.home}/.config/containers/storage.conf"
        own: dict[str, str] = {}
        try:
            own = read_toml_table(host, path, "storage", owner=user.uid)
        except ParseError as error:
            gaps.append(gap_of(error, subject, _FIELDS, path))
        except OSError:
            pass  # what denies the configuration denies the store too, and the store's gap is the one that matters
        own |= _read_drop_ins(host, (f"{path}.d",), user.uid, subject, gaps)
        graphroot = own.get("graphroot") or settings.get("rootless_storage_path") or "$HOME/.local/share/containers/storage"
        stores.append(Store(_expand(graphroot, user), _user_runroot(host, user, own.get("runroot")), user.uid))
    return Reading(tuple(dict.fromkeys(stores)), tuple(gaps))


def _read_configuration(host: HostFs, subject: str) -> tuple[dict[str, str], tuple[Gap, ...]]:
    settings: dict[str, str] = {}
    gaps: list[Gap] = []
    for path in _CONFIGURATION:  # only the first that exists counts
        try:
            settings = read_toml_table(host, path, "storage")
        except FileNotFoundError:
            continue
        except (OSError, ParseError) as error:
            gaps.append(gap_of(error, subject, _FIELDS, path))
        break
    settings |= _read_drop_ins(host, _DROP_INS, None, subject, gaps)
    return settings, tuple(gaps)


def _read_drop_ins(
    host: HostFs, directories: tuple[str, ...], owner: int | None, subject: str, gaps: list[Gap]
) -> dict[str, str]:
    """What files of these directories set, in the order of their names."""
    files: dict[str, str] = {}
    for directory in directories:
        try:
            names, more = first_of(host.names(directory), owner, subject, directory, _FIELDS)
        except OSError:
            continue
        gaps += more
        files |= {name: f"{directory}/{name}" for name in names if name.endswith(".conf")}
    settings: dict[str, str] = {}
    for _, path in sorted(files.items()):
        try:
            settings |= read_toml_table(host, path, "storage", owner=owner)
        except (OSError, ParseError) as error:
            gaps.append(gap_of(error, subject, _FIELDS, path))
    return settings


def _root_store(settings: dict[str, str]) -> Store:
    return Store(
        settings.get("graphroot") or "/var/lib/containers/storage", settings.get("runroot") or "/run/containers/storage", 0
    )


def read_toml_table(host: HostFs, path: str, table: str, *, owner: int | None = None) -> dict[str, str]:
    """Text values of one table of a TOML file. Errors: OSError as from ``HostFs.read``; ParseError."""
    text = host.read(path, owner=owner)
    import tomllib

    try:
        found: Any = tomllib.loads(text.decode())
        for name in table.split("."):
            found = found.get(name, {})
        values = {key: value for key, value in found.items() if isinstance(value, str)}
        if any("\0" in value for value in values.values()):
            raise ParseError(f"{path}: a NUL in a value")
        return values
    except ParseError:
        raise
    except (ValueError, AttributeError, RecursionError) as error:
        raise ParseError(f"{path}: {error}") from error


def read_stored_containers(host: HostFs, store: Store, subject: str) -> Reading[tuple[StoredContainer, ...]]:
    """Containers of a store, those of every storage driver; value None when there is no store.

    Gaps: a root or list that cannot be read, a list or entry that is malformed; *subject* names who asks.
    """
    found: list[StoredContainer] = []
    gaps: list[Gap] = []
    is_there = False
    for root, listings in ((store.graphroot, ("containers.json", _VOLATILE)), (store.runroot, (_VOLATILE,))):
        try:
            drivers = [name for name in host.names(root) if name.endswith("-containers")]
            is_there = True
        except OSError as error:
            if error.errno not in VANISHED and not isinstance(error, NotADirectoryError):
                gaps.append(gap_of(error, subject, _FIELDS, root))
            if not is_there:
                break  # without a graph root there is no store, and a run root says nothing
            continue
        for driver, listing in product(sorted(drivers), listings):
            source = f"{root}/{driver}/{listing}"
            try:
                entries = parse_json(_list_decoder, host.read(source, owner=store.owner) or b"[]", source)
            except FileNotFoundError:
                continue
            except (OSError, ParseError) as error:
                gaps.append(gap_of(error, subject, _FIELDS, source))
                continue
            entries, more = first_of(entries, store.owner, subject, source, _FIELDS)
            gaps += more
            for raw in entries:
                try:
                    found.append(_stored_container(bytes(raw), store, driver, source))
                except ParseError as error:
                    gaps.append(gap_of(error, subject, _FIELDS, source))
    return Reading(tuple(found) if is_there else None, tuple(gaps))


def _stored_container(text: bytes, store: Store, driver: str, source: str) -> StoredContainer:
    entry = parse_json(_entry_decoder, text, source)
    if not is_safe_id(entry.id):
        raise ParseError(f"{source}: id {entry.id[:80]!r}")
    try:
        metadata = parse_json(_metadata_decoder, entry.metadata.encode(), source) if entry.metadata else Metadata()
    except ParseError:
        metadata = Metadata()  # buildah and others keep text of their own there
    names = entry.names or ()
    return StoredContainer(
        id=entry.id,
        name=names[0] if names else metadata.name or None,
        image_id=entry.image or None,
        metadata=metadata,
        created_at=entry.created,
        userdata=f"{store.graphroot}/{driver}/{entry.id}/userdata",
        run_userdata=f"{store.runroot}/{driver}/{entry.id}/userdata",
        source=source,
    )


def is_safe_id(container_id: str) -> bool:
    """Whether an id can be a file name: it becomes part of paths, and a user's store may say anything."""
    return 0 < len(container_id) <= 128 and not container_id.startswith(".") and _ID.issuperset(container_id)


def _user_runroot(host: HostFs, user: User, configured: str | None) -> str:
    # Without XDG_RUNTIME_DIR (su, cron, no logind) Podman falls back to directories below /tmp.
    fallbacks = (f"/tmp/{name}-run-{user.uid}/containers" for name in ("podman", "storage"))  # noqa: S108
    choices = [f"/run/user/{user.uid}/containers", *fallbacks]
    if configured:
        return _expand(configured, user)
    return next((path for path in choices if host.exists(path)), choices[0])


def _expand(path: str, user: User) -> str:
    for variable, value in (("$HOME", user.home), ("$USER", user.name), ("$UID", str(user.uid))):
        path = path.replace(variable, value)
    return os.path.normpath(path)
