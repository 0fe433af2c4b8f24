"""Credentials that are in a container's own root: whoever has its image, or breaks in, has them.

What is mounted was handed in, as it should be, and does not count. Contents are looked at and kept nowhere.
*Source:* shadow(5), crypt(5), ssh-keygen(1), netrc(5), aws(1), kubectl(1), docker-login(1), git-credential-store(1).
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from ctrscope.probes.hostfs import HostFs

#: File of a home → what stands in it when it holds a credential; b"": whatever does.
_FILES: Mapping[str, Mapping[str, bytes]] = {
    "": {".git-credentials": b"", ".netrc": b"password", ".npmrc": b"_auth", ".pgpass": b"", ".pypirc": b"password"},
    ".aws": {"credentials": b"aws_"},
    ".docker": {"config.json": b'"auth"'},
    ".kube": {"config": b""},
    ".ssh": dict.fromkeys(("id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"), b"PRIVATE KEY"),
}
#: Somebody's joke is longer.
_LONGEST = 1 << 20
_MOST_HOMES = 64
#: Length of what crypt(3) made before hashes had a prefix.
_DES = 13


def find_credentials(inside: HostFs, mount_points: Iterable[str]) -> tuple[str, ...]:
    """Files of root's home and of those below /home. *mount_points*: what is at or below one does not count."""
    mounted = tuple(point.rstrip("/") for point in mount_points if point != "/")
    homes = ["/root"]
    with suppress(OSError):
        homes += sorted(f"/home/{name}" for name in inside.names("/home")[:_MOST_HOMES])
    found = []
    for home in homes:
        for below, files in _FILES.items():
            directory = f"{home}/{below}".rstrip("/")
            with suppress(OSError):  # there is none
                present = {name for name, _ in inside.files(directory, most=1024)} & set(files)
                for name in sorted(present):
                    path = f"{directory}/{name}"
                    if not _is_within(path, mounted) and _holds(inside.read(path, limit=_LONGEST), files[name]):
                        found.append(path)
    return tuple(found)


def find_passwords(inside: HostFs, mount_points: Iterable[str]) -> Mapping[str, bool]:
    """Users who log in with a password, as /etc/shadow has them → whether an empty one does."""
    path = "/etc/shadow"
    if _is_within(path, tuple(point.rstrip("/") for point in mount_points if point != "/")):
        return {}
    try:
        return parse_passwords(inside.read(path, limit=_LONGEST))
    except FileNotFoundError:
        return {}


def parse_passwords(text: bytes) -> Mapping[str, bool]:
    """``NAME:HASH:…`` lines. ``*``, ``!`` and the like are nothing that crypt(3) makes, and let nobody in."""
    found = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(b":")
        password = rest.partition(b":")[0]
        if colon and name and (not password or password[:1] in (b"$", b"_") or len(password) == _DES):
            found[name.decode("utf-8", "replace")] = not password
    return found


def _holds(text: bytes, mark: bytes) -> bool:
    return bool(text.strip()) and mark in text


def _is_within(path: str, mounted: tuple[str, ...]) -> bool:
    return any(path == point or path.startswith(f"{point}/") for point in mounted)
