"""Cgroup paths, literally as the engines make them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.engines.claims import Claim, parse_claim, unescape_unit
from ctrscope.model.container import EngineName
from ctrscope.probes.hostfs import HostFs

A, B = "a1" * 32, "0f" * 32
POD = "a1b2c3d4-e5f6-7890-abcd-ef0123456789"
KIND_SLICE = f"/docker/{B}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{POD.replace('-', '_')}.slice"
POD_SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice"


def claim(engine: str, container_id: str, path: str, **rest: object) -> Claim:
    fields = {"role": "payload", "engine_namespace": None, "pod_uid": None} | rest
    return Claim(engine=EngineName(engine), id=container_id, path=path, **fields)  # type: ignore[arg-type]


CLAIMED = {
    # Podman
    f"/machine.slice/libpod-{A}.scope/container": claim("podman", A, f"/machine.slice/libpod-{A}.scope"),
    f"/machine.slice/libpod-{A}.scope": claim("podman", A, f"/machine.slice/libpod-{A}.scope"),
    f"/machine.slice/libpod-conmon-{A}.scope": claim("podman", A, f"/machine.slice/libpod-conmon-{A}.scope", role="monitor"),
    f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope/container/init.scope": claim(
        "podman", A, f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope"
    ),
    f"/libpod_parent/libpod-{A}": claim("podman", A, f"/libpod_parent/libpod-{A}"),
    f"/libpod_parent/{B}/libpod-{A}": claim("podman", A, f"/libpod_parent/{B}/libpod-{A}"),
    f"/system.slice/web.service/libpod-payload-{A}": claim("podman", A, f"/system.slice/web.service/libpod-payload-{A}"),
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container": claim(
        "podman", A, f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope", owner_uid=1000
    ),
    # Docker
    f"/docker/{A}": claim("docker", A, f"/docker/{A}"),
    f"/docker/{A}/init.scope": claim("docker", A, f"/docker/{A}"),
    f"/system.slice/docker-{A}.scope": claim("docker", A, f"/system.slice/docker-{A}.scope"),
    f"/docker/{A}/docker/{B}": claim("docker", B, f"/docker/{A}/docker/{B}"),
    f"/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/docker-{A}.scope": claim(
        "docker", A, f"/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/docker-{A}.scope", pod_uid=POD
    ),
    # containerd
    f"{POD_SLICE}/cri-containerd-{A}.scope": claim(
        "containerd", A, f"{POD_SLICE}/cri-containerd-{A}.scope", engine_namespace="k8s.io", pod_uid=POD
    ),
    f"/kubepods/burstable/pod{POD}/{A}": claim(
        "containerd", A, f"/kubepods/burstable/pod{POD}/{A}", engine_namespace="k8s.io", pod_uid=POD
    ),
    f"/kubepods/pod{POD}/{A}": claim("containerd", A, f"/kubepods/pod{POD}/{A}", engine_namespace="k8s.io", pod_uid=POD),
    f"/system.slice/containerd.service/kubepods-besteffort-pod{POD.replace('-', '_')}.slice:cri-containerd:{A}": claim(
        "containerd",
        A,
        f"/system.slice/containerd.service/kubepods-besteffort-pod{POD.replace('-', '_')}.slice:cri-containerd:{A}",
        engine_namespace="k8s.io",
        pod_uid=POD,
    ),
    f"/system.slice/nerdctl-{A}.scope": claim("containerd", A, f"/system.slice/nerdctl-{A}.scope"),
    "/default/c1": claim("containerd", "c1", "/default/c1", engine_namespace="default"),
    f"/k8s.io/{A}": claim("containerd", A, f"/k8s.io/{A}", engine_namespace="k8s.io"),
    # kind: a node is a container, its kubelet has a slice of its own
    f"{KIND_SLICE}/cri-containerd-{A}.scope": claim(
        "containerd",
        A,
        f"{KIND_SLICE}/cri-containerd-{A}.scope",
        engine_namespace="k8s.io",
        pod_uid=POD,
    ),
    # CRI-O
    f"{POD_SLICE}/crio-{A}.scope/container": claim("cri-o", A, f"{POD_SLICE}/crio-{A}.scope", pod_uid=POD),
    f"{POD_SLICE}/crio-conmon-{A}.scope": claim("cri-o", A, f"{POD_SLICE}/crio-conmon-{A}.scope", role="monitor", pod_uid=POD),
    f"/crio/crio-{A}": claim("cri-o", A, f"/crio/crio-{A}"),
    # LXC
    "/lxc.payload.web": claim("lxc", "web", "/lxc.payload.web"),
    "/lxc.payload.web/system.slice/ssh.service": claim("lxc", "web", "/lxc.payload.web"),
    "/lxc.monitor.web": claim("lxc", "web", "/lxc.monitor.web", role="monitor"),
    "/lxc.payload/web/init.scope": claim("lxc", "web", "/lxc.payload/web"),
    "/lxc/web": claim("lxc", "web", "/lxc/web"),
    # systemd-nspawn
    "/machine.slice/machine-web.scope/payload": claim("nspawn", "web", "/machine.slice/machine-web.scope"),
    r"/machine.slice/machine-my\x2dweb.scope/payload": claim("nspawn", "my-web", r"/machine.slice/machine-my\x2dweb.scope"),
    "/machine.slice/systemd-nspawn@my-web.service/payload/init.scope": claim(
        "nspawn", "my-web", "/machine.slice/systemd-nspawn@my-web.service"
    ),
    "/machine.slice/systemd-nspawn@web.service/supervisor": claim(
        "nspawn", "web", "/machine.slice/systemd-nspawn@web.service", role="monitor"
    ),
    "/machine.slice/web.scope/payload": claim("nspawn", "web", "/machine.slice/web.scope"),
    # runc, crun
    "/system.slice/runc-my.web.scope": claim("runc", "my.web", "/system.slice/runc-my.web.scope"),
    f"/system.slice/runc-{A}.scope": claim("runc", A, f"/system.slice/runc-{A}.scope"),
    "/system.slice/crun-web.scope/container": claim("crun", "web", "/system.slice/crun-web.scope"),
    # Nested in other engines: the leaf-most counts.
    f"/lxc.payload.ci/system.slice/docker-{A}.scope": claim("docker", A, f"/lxc.payload.ci/system.slice/docker-{A}.scope"),
    f"/../docker/{A}": claim("docker", A, f"/../docker/{A}"),
}


@pytest.mark.parametrize(("path", "expected"), CLAIMED.items())
def test_a_path_that_an_engine_made_is_claimed(path: str, expected: Claim) -> None:
    assert parse_claim(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "relative",
        "/init.scope",
        "/system.slice/docker.service",
        "/system.slice/containerd.service",
        "/system.slice/docker-registry.service",
        "/system.slice/runc-foo.service",
        f"/system.slice/docker-{A}.service/..",
        "/system.slice/runc-.scope",
        "/system.slice/crio.service",
        "/system.slice/libvirtd.service",
        r"/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator",
        r"/machine.slice/machine-lxc\x2d4711\x2dct.scope",
        "/machine.slice/machine-.scope",
        "/machine.slice/nsp-bb.service/payload",
        "/machine.slice/web.scope",
        f"/machine.slice/machine-libpod_pod_{A}.slice",
        "/libpod_parent/conmon",
        f"/libpod_parent/{A}",  # a pod's cgroup: the containers are below it
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/podman-pause-717971fb.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-docker-4711.scope",
        "/docker/buildkit/sq8d6f5s4d6f5s4d6f5s4d6f5",
        "/docker",
        "/lxc",
        "/lxc.payload.",
        "/default",
        f"/somebody/{A}",
        f"/system.slice/docker-{A.upper()}.scope",
        f"/system.slice/docker-{A[:-1]}.scope",
        f"/system.slice/mydocker-{A}.scope",
    ],
)
def test_an_ordinary_path_is_not_claimed(path: str) -> None:
    assert parse_claim(path) is None


def test_the_container_around_a_nested_one_is_what_the_parent_directory_claims() -> None:
    inner = parse_claim(f"/docker/{A}/docker/{B}")
    assert inner is not None
    outer = parse_claim(inner.path.rpartition("/")[0])
    assert outer is not None
    assert outer.id == A


def test_unit_names_are_unescaped() -> None:
    assert unescape_unit(r"a\x2db-c") == "a-b/c"
    assert unescape_unit(r"caf\xc3\xa9") == "café"
    assert unescape_unit(r"\xff\xzz\x4") == "\udcff" + r"\xzz\x4"


PIECES = st.sampled_from(
    [
        *(
            "docker-",
            "libpod-",
            "machine-",
            "lxc.payload.",
            "systemd-nspawn@",
            "kubepods",
            "-pod",
            ".slice",
            ".scope",
            "\\x",
            "/",
        ),
        *("user.slice", "user-", "runc-", "docker", "lxc", "default", "machine.slice", "payload", ":", "²", A),
    ]
)


@given(st.lists(st.one_of(PIECES, st.text(st.characters(min_codepoint=0), max_size=8)), max_size=12).map("".join))
def test_no_path_raises_and_a_claim_is_a_prefix_of_the_path(path: str) -> None:
    for hostile in (path, "/" + path):
        found = parse_claim(hostile)
        if found is not None:
            assert found.id
            assert hostile == found.path or hostile.startswith(found.path + "/")


def test_on_a_captured_host_every_scope_of_an_engine_is_claimed(v2_host: HostFs) -> None:
    claims = []
    for pid in v2_host.names("/proc"):
        if pid.isdecimal():
            for line in v2_host.read(f"/proc/{pid}/cgroup").decode().splitlines():
                found = parse_claim(line.split(":", 2)[2])
                if found is not None and found.role == "payload" and found not in claims:
                    claims.append(found)
    counted = {engine: sum(found.engine == engine for found in claims) for engine in EngineName}
    # What runs there, by cmd/docker-ps.jsonl, podman-ps.json, rootless-ps.json, ctr-*.txt, lxc-ls.txt, machinectl-list.json;
    # runc-bare and crun-bare have cgroups that say nothing, and the machine nspbb a unit of another name.
    assert {engine: count for engine, count in counted.items() if count} == {
        EngineName.DOCKER: 6,
        EngineName.PODMAN: 10,
        EngineName.CONTAINERD: 3,
        EngineName.LXC: 1,
        EngineName.NSPAWN: 1,
        EngineName.RUNC: 1,
    }
