"""Users who may have containers of their own: ordinary accounts, and whoever has a session.

*Source:* passwd(5); ``/run/user/UID``, which pam_systemd(8) makes at log-in and for lingering users;
``/run/systemd/users/UID`` for the name of a user whom a directory service knows and /etc/passwd does not.
*Cost:* twelve system calls, however many users there are, and one read for each user of a directory service. What a user
has is for the engines to look at.
"""

from ctrscope.engines.engine import User
from ctrscope.probes.hostfs import HostFs

_FIRST_ORDINARY = 1000  # UID_MIN of login.defs(5)
_NOBODY = 65534
_LAST = 2**32 - 2  # -1 is no uid


def read_users(host: HostFs) -> tuple[User, ...]:
    """Users other than root by uid, each once. A home that is not known is ``""``.

    Errors: none; without /etc/passwd there are the users of /run/user, without both there are none.
    """
    try:
        sessions = {int(name) for name in host.names("/run/user") if name.isascii() and name.isdecimal() and len(name) <= 10}
    except OSError:
        sessions = set()
    try:
        users = parse_passwd(host.read("/etc/passwd"), sessions)
    except OSError:
        users = {}
    for uid in sessions.difference(users):
        if 0 < uid <= _LAST:
            users[uid] = User(uid, _session_name(host, uid), "")
    return tuple(users[uid] for uid in sorted(users))


def parse_passwd(text: bytes, sessions: set[int]) -> dict[int, User]:
    """Ordinary users, and those of *sessions*, by uid; of two lines with one uid the first counts, as for getpwuid(3)."""
    users: dict[int, User] = {}
    for line in text.split(b"\n"):
        fields = line.split(b":")
        if len(fields) != 7 or not fields[2].isdigit() or len(fields[2]) > 10:
            continue
        uid = int(fields[2])
        if (uid < _FIRST_ORDINARY and uid not in sessions) or uid in (0, _NOBODY) or uid > _LAST or uid in users:
            continue
        home = fields[5].decode("utf-8", "surrogateescape").rstrip("/")
        if not home.startswith("/") or "\0" in home:
            home = ""
        users[uid] = User(uid, fields[0].decode("utf-8", "surrogateescape"), home)
    return users


def _session_name(host: HostFs, uid: int) -> str:
    try:
        text = host.read(f"/run/systemd/users/{uid}")
    except OSError:
        return str(uid)
    names = (line[len(b"NAME=") :] for line in text.splitlines() if line.startswith(b"NAME="))
    return next(names, b"").decode("utf-8", "surrogateescape") or str(uid)
