"""From options to a specification, and what is said of options that mean nothing."""

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrscope.images.settings import ImageSettings
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import IdMapping, Mount, Rlimit, Spec, User
from ctrscope.oci.validate import validate
from ctrscope.run import users
from ctrscope.run.build import Wanted, build_spec
from ctrscope.run.users import find_user, own_mappings

NOTHING = ImageSettings()


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def built(root: str | None = "/srv/root", image: ImageSettings = NOTHING, **wanted: Any) -> Spec:
    spec, _ = build_spec(Wanted(**{"security": ("seccomp=unconfined",), **wanted}), "a" * 64, root, image)
    validate(spec)
    return spec


def mount_at(spec: Spec, path: str) -> Mount:
    return [one for one in spec.mounts if one.destination == path][-1]


def test_what_is_built_survives_being_written_and_read() -> None:
    spec = built(memory="64m", cpus="0.5", network="bridge", tmpfs=("/scratch",), cap_add=("NET_ADMIN",))
    assert msgspec.json.decode(msgspec.json.encode(spec), type=Spec) == spec


def test_without_a_root_it_is_the_hosts_own_to_be_read_with_private_places_to_write() -> None:
    spec = built(root=None)
    assert (spec.root.path, spec.root.readonly) == ("/", True)
    for path in ("/tmp", "/run", "/var/tmp", "/root"):
        assert mount_at(spec, path).type == "tmpfs"
    assert built().root.readonly is False
    assert built(read_only=True).root.readonly is True


def test_the_default_network_touches_nothing_of_the_host() -> None:
    namespace = built().linux.find_namespace("network")
    assert namespace is not None
    assert namespace.path == ""
    assert built(network="host").linux.find_namespace("network") is None
    joined = built(network="/proc/7/ns/net").linux.find_namespace("network")
    assert joined is not None
    assert joined.path == "/proc/7/ns/net"


def test_sizes_and_cpus_are_read_as_docker_reads_them() -> None:
    resources = built(memory="1.5g", cpus="0.25", cpu_shares="512", cpuset="0,0-0", pids="100", io_weight="300").linux.resources
    assert resources.memory is not None
    assert resources.memory.limit == 3 << 29
    assert resources.cpu is not None
    assert (resources.cpu.quota, resources.cpu.period, resources.cpu.shares) == (25_000, 100_000, 512)
    assert resources.cpu.cpus == "0,0-0"
    assert resources.pids is not None
    assert resources.pids.limit == 100
    assert resources.block_io is not None
    assert resources.block_io.weight == 300


def test_no_limit_is_written_that_was_not_asked_for() -> None:
    resources = built().linux.resources
    assert (resources.memory, resources.cpu, resources.pids, resources.block_io) == (None, None, None, None)


def test_the_command_is_the_images_unless_one_is_given() -> None:
    image = ImageSettings(entrypoint=["/entry"], cmd=["serve"], env=["A=image", "B=image"], working_dir="/app")
    process = built(image=image, environment=("B=ours", "C=1")).process
    assert process is not None
    assert process.args == ("/entry", "serve")
    assert process.cwd == "/app"
    assert {"A=image", "B=ours", "C=1"} <= set(process.env)
    again = built(image=image, command=("other",), workdir="/work").process
    assert again is not None
    assert (again.args, again.cwd) == (("/entry", "other"), "/work")
    shell = built().process
    assert shell is not None
    assert shell.args == ("/bin/sh",)


def test_a_variable_without_a_value_is_ours_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDED", "on")
    monkeypatch.delenv("MISSING", raising=False)
    process = built(environment=("HANDED", "MISSING")).process
    assert process is not None
    assert "HANDED=on" in process.env
    assert not any(one.startswith("MISSING") for one in process.env)


def test_capabilities_are_those_that_docker_gives() -> None:
    process = built().process
    assert process is not None
    assert process.capabilities is not None
    assert len(process.capabilities.bounding) == 14
    assert process.capabilities.ambient == process.capabilities.inheritable == ()


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (("net_admin",), (), 15),
        (("CAP_NET_ADMIN",), (), 15),
        ((), ("CHOWN", "KILL"), 12),
        ((), ("all",), 0),
        (("CHOWN",), ("ALL",), 1),
        (("ALL",), ("SYS_ADMIN",), 40),
        (("CHOWN",), ("CHOWN",), 14),
    ],
)
def test_capabilities_are_added_and_dropped(add: tuple[str, ...], drop: tuple[str, ...], expected: int) -> None:
    process = built(cap_add=add, cap_drop=drop).process
    assert process is not None
    assert process.capabilities is not None
    assert len(process.capabilities.bounding) == expected


def test_volumes_are_bind_mounts(tmp_path: Path) -> None:
    assert mount_at(built(volumes=(f"{tmp_path}:/data",)), "/data") == Mount(
        destination="/data", type="bind", source=str(tmp_path), options=("rbind", "rprivate")
    )
    assert mount_at(built(volumes=(f"{tmp_path}:/data:ro,rslave",)), "/data").options == ("rbind", "ro", "rslave")


def test_ulimits_have_a_soft_and_a_hard_side() -> None:
    process = built(ulimits=("nofile=100:200", "core=0", "memlock=-1")).process
    assert process is not None
    assert process.rlimits == (
        Rlimit(type="RLIMIT_NOFILE", soft=100, hard=200),
        Rlimit(type="RLIMIT_CORE", soft=0, hard=0),
        Rlimit(type="RLIMIT_MEMLOCK", soft=2**64 - 1, hard=2**64 - 1),
    )


def test_security_options() -> None:
    process = built(security=("seccomp=unconfined", "no-new-privileges", "apparmor=mine")).process
    assert process is not None
    assert (process.no_new_privileges, process.apparmor_profile) == (True, "mine")


WRONG = [
    ({"memory": "lots"}, "--memory 'lots' is not a size like 128M"),
    ({"memory": "-5"}, "--memory '-5' is not a size"),
    ({"memory": ""}, "--memory '' is not a size"),
    ({"cpus": "none"}, "--cpus 'none' is not a number of CPUs"),
    ({"cpus": "nan"}, "--cpus 'nan' is not a number of CPUs"),
    ({"cpu_shares": "1"}, "--cpu-shares '1': expected a number from 2 to 262144"),
    ({"cpuset": "0-"}, "--cpuset '0-': expected numbers and ranges"),
    ({"pids": "many"}, "--pids 'many': expected a number from 1"),
    ({"io_weight": "5"}, "--io-weight '5': expected a number from 10 to 1000"),
    ({"volumes": ("data:/data",)}, "-v 'data:/data': expected /ON/THE/HOST:/IN/THE/CONTAINER"),
    ({"volumes": ("/srv",)}, "-v '/srv': expected /ON/THE/HOST:/IN/THE/CONTAINER"),
    ({"volumes": ("/:/data:wrong",)}, "-v '/:/data:wrong': expected .* unknown: wrong"),
    ({"volumes": ("/no/such/thing:/data",)}, "there is no /no/such/thing on this host"),
    ({"tmpfs": ("scratch",)}, "--tmpfs 'scratch': expected an absolute path"),
    ({"environment": ("=x",)}, "--env '=x': expected NAME=VALUE"),
    ({"workdir": "tmp"}, "--workdir 'tmp': expected an absolute path"),
    ({"cap_add": ("FLY",)}, "--cap-add 'FLY': expected ALL or the name of a capability"),
    ({"cap_drop": ("",)}, "--cap-drop '': expected ALL"),
    ({"security": ("label=off",)}, "--security-opt 'label=off': expected one of no-new-privileges, seccomp="),
    ({"security": ("seccomp=/no/profile",)}, "/no/profile: No such file"),
    ({"ulimits": ("nofile",)}, "--ulimit 'nofile': expected NAME=SOFT"),
    ({"ulimits": ("nofile=2:1",)}, "--ulimit 'nofile=2:1': expected NAME=SOFT"),
    ({"ulimits": ("wishes=1",)}, "--ulimit 'wishes=1': expected NAME=SOFT"),
    ({"userns": "somehow"}, "--userns 'somehow': expected auto, host, or FIRST:COUNT"),
    ({"userns": "0:0"}, "--userns '0:0': expected auto, host"),
    ({"hostname": "a\0b"}, "expected no NUL"),
]


@pytest.mark.parametrize(("wanted", "message"), WRONG, ids=[str(wanted) for wanted, _ in WRONG])
def test_a_bad_option_is_named_with_what_is_expected(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(LauncherError, match=message):
        built(**wanted)


def test_users_are_those_of_the_containers_own_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv/web:/bin/sh\n")
    (tmp_path / "etc/group").write_text("web:x:34:\naudio:x:29:web,other\nvideo:x:44:web\n")
    root = str(tmp_path)
    assert find_user(root, "web") == User(uid=33, gid=34, additional_gids=(29, 44))
    assert find_user(root, "33") == User(uid=33, gid=34)
    assert find_user(root, "web:audio") == User(uid=33, gid=29)
    assert find_user(root, "7:8") == User(uid=7, gid=8)
    beyond = [(text, "ids up to 4294967294") for text in ("4294967295", "7" * 5000, "7:4294967295", "web:" + "7" * 5000)]
    for text, message in (("nobody", "no 'nobody' in its /etc/passwd"), ("web:x", "no group 'x'"), *beyond):
        with pytest.raises(LauncherError, match=message):
            find_user(root, text)


def test_a_passwd_that_is_a_link_to_the_hosts_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "passwd"
    outside.write_text("victim:x:1:1::/:/bin/sh\n")
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/passwd").symlink_to(outside)
    with pytest.raises(LauncherError, match="no 'victim'"):
        find_user(str(tmp_path / "root"), "victim")


def lines(*numbers: tuple[int, int, int]) -> tuple[IdMapping, ...]:
    return tuple(IdMapping(container_id=inside, host_id=outside, size=count) for inside, outside, count in numbers)


def test_an_ordinary_user_is_root_inside_with_the_ids_reserved_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/etc/subuid": b"other:1:2\nalice:100000:65536\n", "/etc/subgid": b"1000:200000:1000\n"}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1001)
    monkeypatch.setattr(users, "_read", lambda _, path: files.get(path, b""))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: type("Entry", (), {"pw_name": "alice"}))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert own_mappings(None) == (lines((0, 1000, 1), (1, 100000, 65536)), lines((0, 1001, 1), (1, 200000, 1000)))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert own_mappings("auto") == (lines((0, 1000, 1)), lines((0, 1001, 1)))
    for text in ("host", "5:10"):
        with pytest.raises(LauncherError, match=f"--userns .*{text}"):
            own_mappings(text)


def test_root_has_no_user_namespace_unless_it_asks() -> None:
    assert own_mappings(None) is None
    assert own_mappings("host") is None
    mapping = lines((0, 5000, 1000))
    assert own_mappings("5000:1000") == (mapping, mapping)
    spec = built(userns="5000:1000")
    assert spec.linux.uid_mappings == mapping
    assert spec.linux.find_namespace("user") is not None
