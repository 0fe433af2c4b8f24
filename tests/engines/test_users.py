"""Users from /etc/passwd and /run/user."""

import errno
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ctrscope.engines.engine import User
from ctrscope.engines.users import parse_passwd, read_users
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.hostfs import DenyingHostFs


def test_ordinary_users_are_found_and_system_accounts_are_not(v2_host: HostFs) -> None:
    assert read_users(v2_host) == (User(1000, "alice", "/home/alice"),)


def test_a_system_account_with_a_session_counts() -> None:
    text = b"jenkins:x:998:998::/var/lib/jenkins/:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n"
    assert parse_passwd(text, {998}) == {998: User(998, "jenkins", "/var/lib/jenkins")}


def test_root_and_nobody_are_not_among_them() -> None:
    text = b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"
    assert parse_passwd(text, {0, 65534}) == {}


def test_hostile_lines_are_skipped_and_others_stand() -> None:
    text = b"+::::::\nx:x:99999999999999999999:1::/home/x:\nx:x:-5:1::/h:\n\xff\nfoo:x:1001\nbob:x:1002:1002::/home/bob:/bin/sh"
    assert parse_passwd(text, set()) == {1002: User(1002, "bob", "/home/bob")}


def test_of_two_lines_with_one_uid_the_first_counts() -> None:
    assert parse_passwd(b"a:x:1000:1::/home/a:\nb:x:1000:1::/home/b:\n", set())[1000].name == "a"


def test_a_home_that_is_not_absolute_is_none() -> None:
    assert parse_passwd(b"a:x:1000:1::../../root:\nb:x:1001:1:::\n", set()) == {
        1000: User(1000, "a", ""),
        1001: User(1001, "b", ""),
    }


def test_a_user_of_a_directory_service_is_known_by_the_session(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/user/70001/bus", "")
    host.file("/run/user/70002/bus", "")
    host.file("/run/user/not-a-uid/bus", "")
    host.file("/run/systemd/users/70001", "# This is private data. Do not parse.\nNAME=carol\nSTATE=active\n")
    assert read_users(host.fs) == (User(70001, "carol", ""), User(70002, "70002", ""))


def test_without_passwd_there_are_the_users_of_sessions(tmp_path: Path) -> None:
    HostTree(tmp_path).file("/run/user/1000/bus", "")
    host = DenyingHostFs(str(tmp_path), {"/etc/passwd": errno.EACCES})
    assert read_users(host) == (User(1000, "1000", ""),)


def test_an_empty_root_has_no_users(tmp_path: Path) -> None:
    assert read_users(HostFs(str(tmp_path))) == ()


@given(st.binary())
def test_no_passwd_raises(text: bytes) -> None:
    assert all(user.uid == uid for uid, user in parse_passwd(text, {1, 2, 3}).items())
