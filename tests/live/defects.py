"""A hardened container, and for each rule of ``audit`` the same with that one defect, for docker, podman and runc.

For docker and podman a defect is options that replace those of the hardened one (None takes one away), for runc a change of
its bundle. ``{files}`` is a directory with what is mounted, ``{partner}`` another container, ``{low}`` and ``{free}`` ports.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Options = Mapping[str, str | bool | tuple[str, ...] | None]
Spec = dict[str, Any]
Change = Callable[[Spec], object]

#: What nothing is to be said about.
HARDENED: Options = {
    "user": "1000:1000",
    "cap-drop": "ALL",
    "security-opt": "no-new-privileges",
    "read-only": True,
    "memory": "64m",
    "cpus": "0.5",
    "pids-limit": "32",
    "network": "none",
    "cgroupns": "private",
}
#: What is asked of Docker's containers beyond that. The first check of health is a day away. A Docker that maps users refuses
#: the host's network and PID namespace and --privileged to whoever does not opt out of it (moby daemon_unix.go).
HARDENED_DOCKER: Options = {
    **HARDENED,
    "userns": "host",
    "restart": "on-failure:5",
    "health-cmd": "true",
    "health-interval": "24h",
    "ulimit": "nofile=1024:1024",
}
#: And of Podman's; checks of health that nobody is to make need no timer of systemd.
HARDENED_PODMAN: Options = {**HARDENED, "health-cmd": "true", "health-interval": "disable"}
SLEEP = ("sleep", "100000")
#: A name that both of Docker's cgroup drivers take.
CGROUP_PARENT = "audited.slice"
#: Rules about what only Docker's own files say.
DOCKER_ONLY = frozenset({"cgroup-parent", "default-bridge", "default-ulimits", "userns-opt-out"})


class Defect(NamedTuple):
    """One defect."""

    options: Options | None = None  # of docker and podman; None: they cannot make it
    change: Change | None = None  # of a bundle; None: runc knows no such thing
    also: frozenset[str] = frozenset()  # rules that say something too, since it cannot be had without
    command: tuple[str, ...] = SLEEP
    needs: str = ""  # capability that the engine needs for it, or "apparmor"
    podman: Options | None = None  # where podman says it in other words, or docker cannot
    may: frozenset[str] = frozenset()  # rules that may say something too, as this host is


def has_apparmor() -> bool:
    """Whether a container can have a profile here: that of Docker, which it loads when it starts."""
    try:
        return "docker-default" in Path("/sys/kernel/security/apparmor/profiles").read_text()
    except OSError:
        return False


def bundle_spec(template: Spec, rootfs: str) -> Spec:
    """A hardened bundle, from what ``runc spec`` writes."""
    spec = template
    spec["process"].update(terminal=False, args=["/bin/sleep", "100000"], rlimits=[], user={"uid": 1000, "gid": 1000})
    spec["process"]["capabilities"] = {name: [] for name in ("bounding", "effective", "permitted")}
    if has_apparmor():
        spec["process"]["apparmorProfile"] = "docker-default"
    spec["root"] = {"path": rootfs, "readonly": True}
    linux = spec["linux"]
    linux["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 32}, cpu={"quota": 50000, "period": 100000})
    linux["namespaces"] = [{"type": one} for one in ("pid", "network", "ipc", "uts", "mount", "cgroup")]
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
    }
    return spec


def _without(kind: str) -> Change:
    """The host's namespace, by leaving out its own."""

    def change(spec: Spec) -> None:
        spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != kind]
        if kind == "uts":
            del spec["hostname"]

    return change


def _set(path: str, value: Any) -> Change:
    """*path*: keys with slashes between them."""

    def change(spec: Spec) -> None:
        *above, last = path.split("/")
        for key in above:
            spec = spec[key]
        spec[last] = value

    return change


def bind(source: str, target: str, *options: str, kind: str = "bind") -> Change:
    """A mount more."""
    how = ("rbind",) if kind == "bind" else ()
    one = {"destination": target, "source": source, "type": kind, "options": [*how, *options]}
    return lambda spec: spec["mounts"].append(one)


def _remount(kind: str, *options: str) -> Change:
    """Other options for what is mounted of a type already."""

    def change(spec: Spec) -> None:
        next(one for one in spec["mounts"] if one["type"] == kind)["options"] = list(options)

    return change


def _device(path: str, kind: str, major: int, minor: int) -> Change:
    def change(spec: Spec) -> None:
        spec["linux"]["devices"] = [{"path": path, "type": kind, "major": major, "minor": minor}]

    return change


def _all(*changes: Change) -> Change:
    return lambda spec: [change(spec) for change in changes]


def _also(*rules: str) -> frozenset[str]:
    return frozenset(rules)


_ROOT: Options = {"user": "0:0"}
_ROOT_SPEC = _set("process/user", {"uid": 0, "gid": 0})
_BY_ROOT = _also("root-without-userns")
_NNP = "no-new-privileges"


def _sets(*names: str, uid: int = 0) -> Change:
    sets = {name: [f"CAP_{one}" for one in names] for name in ("bounding", "effective", "permitted")}
    if uid:  # an ordinary user keeps through exec only what is ambient
        sets |= dict.fromkeys(("inheritable", "ambient"), sets["effective"])
    return _all(_set("process/user", {"uid": uid, "gid": uid}), _set("process/capabilities", sets))


def _capability(name: str, *also: str) -> Defect:
    """Of root, since docker gives an ordinary user none."""
    return Defect({**_ROOT, "cap-add": name}, _sets(name), _BY_ROOT | _also(*also))


def _volume(source: str, target: str, mode: str, *also: str) -> Defect:
    return Defect({"volume": f"{source}:{target}:{mode}"}, bind(source, target, mode), _also(*also))


def _script(text: str, options: Options | None = None, change: Change | None = None) -> Defect:
    return Defect(options or {}, change or (lambda spec: None), command=("sh", "-c", text))


def _written(root: str, text: str) -> Defect:
    """By root, into a root file system that it may write to: in a bundle *root*, which no other bundle has."""
    change = _all(_ROOT_SPEC, _set("root", {"path": f"{{files}}/{root}", "readonly": False}))
    return _script(f"{text}; exec sleep 100000", {**_ROOT, "read-only": None}, change)._replace(
        also=_BY_ROOT | {"writable-root"}
    )


def _tmpfs(path: str) -> Options:
    return {"tmpfs": f"{path}:exec,mode=1777"}


def _scratch(path: str) -> Change:
    return bind("tmpfs", path, "mode=1777", kind="tmpfs")


#: What is mounted below the host's /, and comes along, writable or not.
_BELOW = _also("sensitive-mount", "kernel-files-mounted", "kernel-interfaces", "shared-propagation", "credentials-mounted")

DEFECTS: dict[str, Defect] = {
    # What it may
    "cap-sys-admin": _capability("SYS_ADMIN"),
    "cap-sys-module": _capability("SYS_MODULE", "host-root"),
    "cap-sys-ptrace": _capability("SYS_PTRACE"),
    "cap-sys-rawio": _capability("SYS_RAWIO"),
    "cap-dac-read-search": _capability("DAC_READ_SEARCH"),
    "cap-net-admin": _capability("NET_ADMIN"),
    "cap-bpf": Defect(None, _sets("BPF"), _BY_ROOT, podman={**_ROOT, "cap-add": "BPF"}),
    "cap-sys-time": _capability("SYS_TIME"),
    "cap-syslog": _capability("SYSLOG"),
    "cap-sys-boot": _capability("SYS_BOOT"),
    "cap-beyond-default": _capability("MAC_ADMIN"),
    "cap-net-raw": _capability("NET_RAW"),
    "ambient-capabilities": Defect(None, _sets("NET_BIND_SERVICE", uid=1000), podman={"cap-add": "NET_BIND_SERVICE"}),
    "seccomp-disabled": Defect({"security-opt": (_NNP, "seccomp=unconfined")}, lambda spec: spec["linux"].pop("seccomp")),
    "apparmor-unconfined": Defect(
        {"security-opt": (_NNP, "apparmor=unconfined")}, lambda spec: spec["process"].pop("apparmorProfile"), needs="apparmor"
    ),
    "no-new-privs": Defect({"security-opt": None}, _set("process/noNewPrivileges", False)),
    "root-without-userns": Defect(_ROOT, _ROOT_SPEC),
    "setuid-reachable": Defect(
        {"security-opt": None, "volume": "/usr/bin/su:/usr/bin/su:ro"},
        _all(_set("process/noNewPrivileges", False), bind("/usr/bin/su", "/usr/bin/su", "ro")),
        _also("no-new-privs"),
    ),
    # Namespaces
    "host-pid": Defect({"pid": "host"}, _without("pid")),
    "host-net": Defect({"network": "host"}, _without("network")),
    "host-ipc": Defect({"ipc": "host"}, _without("ipc")),
    "host-uts": Defect({"uts": "host"}, _without("uts")),
    "host-cgroup": Defect({"cgroupns": "host"}, _without("cgroup")),
    "shared-namespace": Defect(
        {"network": "container:{partner}"},
        _all(_without("network"), lambda spec: spec["linux"]["namespaces"].append("{partner}")),
    ),
    "shim-socket": Defect({**_ROOT, "network": "host"}, _all(_ROOT_SPEC, _without("network")), _BY_ROOT | _also("host-net")),
    "host-root": Defect(
        {**_ROOT, "cap-add": "SYS_PTRACE", "pid": "host"},
        _all(_sets("SYS_PTRACE"), _without("pid")),
        _BY_ROOT | _also("host-pid", "cap-sys-ptrace"),
    ),
    # Files
    "host-root-mounted": _volume("/", "/host", "ro", "engine-socket")._replace(may=_BELOW),
    "sensitive-mount": _volume("/etc", "/host-etc", "ro"),
    "engine-socket": _volume("/run/docker.sock", "/s", "rw"),
    "credentials-mounted": _volume("/etc/shadow", "/shadow", "ro"),
    "service-account-token": _volume("{files}/token", "/var/run/secrets/kubernetes.io/serviceaccount", "ro"),
    "kernel-files-mounted": _volume("/proc", "/host-proc", "ro"),
    "kernel-interfaces": Defect(
        {"volume": "{files}/debug:/debug:ro"},
        bind("debugfs", "/debug", "ro", kind="debugfs"),
    ),
    "shared-propagation": Defect(
        {"volume": "{files}/shared:/shared:ro,rshared"},
        _all(bind("{files}/shared", "/shared", "rshared", "ro"), _set("linux/rootfsPropagation", "shared")),
    ),
    "unmasked-paths": Defect(
        None,
        _set("linux/maskedPaths", []),
        podman={"security-opt": (_NNP, "unmask=/proc/kcore:/proc/keys")},
    ),
    "proc-sys-writable": Defect(
        {"security-opt": (_NNP, "systempaths=unconfined")},
        _all(_set("linux/readonlyPaths", []), _set("linux/maskedPaths", [])),
        _also("unmasked-paths"),
        podman={"security-opt": (_NNP, "unmask=ALL")},
    ),
    "sysfs-writable": Defect(
        {**_ROOT, "volume": "/sys:/sys:rw"},
        _all(_ROOT_SPEC, _remount("sysfs", "nosuid", "rw")),
        _BY_ROOT,
        may=_also("cgroup-writable", "kernel-interfaces"),
    ),
    "cgroup-writable": Defect(
        {**_ROOT, "volume": "/sys/fs/cgroup:/sys/fs/cgroup:rw"},
        _all(_ROOT_SPEC, _remount("cgroup", "nosuid", "rw")),
        _BY_ROOT,
    ),
    "block-device": Defect({"device": "/dev/loop0"}, _device("/dev/loop0", "b", 7, 0)),
    "host-device": Defect({"device": "/dev/loop-control"}, _device("/dev/loop-control", "c", 10, 237)),
    "all-devices-allowed": Defect(
        {"device-cgroup-rule": "a *:* rwm"}, _set("linux/resources/devices", [{"allow": True, "access": "rwm"}])
    ),
    "writable-root": Defect({"read-only": None}, _set("root/readonly", False)),
    # Limits, and what its engine does
    "no-memory-limit": Defect({"memory": None}, _set("linux/resources/memory", {})),
    "no-pids-limit": Defect({"pids-limit": "-1"}, _set("linux/resources/pids", {"limit": -1})),
    "no-cpu-limit": Defect({"cpus": None}, _set("linux/resources/cpu", {})),
    "oom-protected": Defect({"oom-score-adj": "-500"}, _set("process/oomScoreAdj", -500), needs="CAP_SYS_RESOURCE"),
    "restart-unlimited": Defect({"restart": "always"}),
    "no-health-check": Defect({"health-cmd": None, "health-interval": None}),
    "default-ulimits": Defect({"ulimit": None}),
    "cgroup-parent": Defect({"cgroup-parent": CGROUP_PARENT}),
    "image-latest": Defect({"image": "latest"}),
    # In sight, and in reach
    "secret-in-environment": Defect(
        {"env": "DB_PASSWORD=hunter2"}, lambda spec: spec["process"]["env"].append("DB_PASSWORD=hunter2")
    ),
    "secret-in-arguments": Defect({}, lambda spec: None, command=("sh", "-c", "sleep 100000; :", "--password=hunter2")),
    "credentials-inside": _written("credentials", "mkdir -p /root/.aws; echo aws_secret_access_key=x > /root/.aws/credentials"),
    "password-inside": _written("password", "echo 'root:$6$salt$hash:19000::::::' > /etc/shadow"),
    "port-on-all-addresses": Defect({"network": None, "publish": "{free}:80"}, also=_also("default-bridge")),
    "privileged-port": Defect({"network": None, "publish": "127.0.0.1:{low}:80"}, also=_also("default-bridge")),
    "default-bridge": Defect({"network": None}),
    "sshd": _script("echo -n sshd > /proc/$$/comm; sleep 100000; :"),
    "unsafe-sysctl": Defect(
        {"sysctl": "net.ipv4.conf.all.accept_redirects=1"}, _set("linux/sysctl", {"net.ipv4.conf.all.accept_redirects": "1"})
    ),
    "route-localnet": Defect(
        {"sysctl": "net.ipv4.conf.all.route_localnet=1"},
        _set("linux/sysctl", {"net.ipv4.conf.all.route_localnet": "1"}),
        _also("unsafe-sysctl"),
    ),
    # Processes
    "temporary-executable": _script(
        "cp /bin/busybox /var/tmp/sleep; exec /var/tmp/sleep 100000", options=_tmpfs("/var/tmp"), change=_scratch("/var/tmp")
    ),
    "deleted-executable": _script(
        "cp /bin/busybox /scratch/sleep; /scratch/sleep 100000 & "
        "until [ $(readlink /proc/$!/exe) = /scratch/sleep ]; do :; done; rm /scratch/sleep; wait",
        options=_tmpfs("/scratch"),
        change=_scratch("/scratch"),
    ),
    # What nothing is left of
    "privileged": Defect(
        {**_ROOT, "privileged": True, "cap-drop": None, "security-opt": None},
        None,
        _BY_ROOT | _also("host-root", "host-user", "no-new-privs", "sysfs-writable", "proc-sys-writable", "cgroup-writable"),
        needs="CAP_SYS_RESOURCE",
        may=_also("apparmor-unconfined"),
    ),
}
