"""Asks the engines of this machine, with their own commands, what they have."""

import json
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

from ctrscope.model.container import EngineName
from tests.against.words import (
    Words,
    cri_words,
    ctr_words,
    docker_words,
    lxc_words,
    nspawn_words,
    oci_words,
    podman_words,
)
from tests.live import cri, sandboxes
from tests.live.machine import run
from tests.live.podman import inspect, podman


def docker() -> list[Words]:
    """Every container that docker has."""
    ids = run("docker", "ps", "-aq", "--no-trunc").split()
    return docker_words(json.loads(run("docker", "inspect", *ids))) if ids else []


def podman_of_everyone() -> list[Words]:
    """Every container that podman has, root's and those of users who are logged in."""
    words = podman_words(inspect())
    for entry in os.scandir("/run/user") if os.path.isdir("/run/user") else ():
        if entry.name != "0" and os.path.isdir(f"{entry.path}/libpod"):
            words += podman_words(_rootless_inspect(int(entry.name)), owner_uid=int(entry.name))
    return words


def _rootless_inspect(uid: int) -> Any:
    user = pwd.getpwuid(uid)
    session = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "-M", f"{user.pw_name}@", "--user"]
    command = "podman container inspect $(podman ps -aq)"
    return json.loads(run(*session, "-p", f"WorkingDirectory={user.pw_dir}", "env", "-u", "INVOCATION_ID", "sh", "-c", command))


def containerd() -> list[Words]:
    """Every container of every containerd namespace but docker's, and what CRI adds."""
    words = []
    for namespace in run("ctr", "namespace", "ls", "-q").split():
        if namespace != "moby":
            names = run("ctr", "-n", namespace, "container", "ls", "-q").split()
            infos = [json.loads(run("ctr", "-n", namespace, "container", "info", name)) for name in names]
            found = ctr_words(namespace, infos, run("ctr", "-n", namespace, "task", "ls"))
            if namespace == "k8s.io" and cri.is_ours():
                found = cri_words(found, cri.pods(), cri.containers())
            words += found
    return words


def runc() -> list[Words]:
    """Every container in runc's own state directory that podman does not drive."""
    driven = podman("ps", "-aq", "--no-trunc").split() if shutil.which("podman") else []
    return oci_words(json.loads(run("runc", "list", "-f", "json")) or [], EngineName.RUNC, without=driven)


def crun() -> list[Words]:
    """Every container in crun's own state directory that podman does not drive."""
    driven = podman("ps", "-aq", "--no-trunc").split() if shutil.which("podman") else []
    text = run("crun", "--root", "/run/crun", "list", "-f", "json")
    return oci_words(json.loads(text) or [], EngineName.CRUN, without=driven)


def lxc() -> list[Words]:
    """Every LXC container of root."""
    return [lxc_words(run("lxc-info", "-n", name)) for name in run("lxc-ls", "-1").split()]


def nspawn() -> list[Words]:
    """Every machine: from machined, and from the processes that the tests started."""
    payloads = {name: sandboxes.nspawn_payload(name) for name in sandboxes.MACHINES}
    words = [nspawn_words(name, leader) for name, leader in payloads.items() if leader is not None]
    if Path("/run/systemd/system").is_dir():  # sd_booted(3)
        for machine in json.loads(run("machinectl", "list", "-o", "json", "--no-pager")):
            leader = int(run("machinectl", "show", machine["machine"], "-p", "Leader", "--value"))
            words.append(nspawn_words(machine["machine"], leader))
    return words
