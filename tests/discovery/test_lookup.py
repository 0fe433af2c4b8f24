import msgspec
import pytest

from ctrscope.discovery.lookup import AmbiguousContainer, NoSuchContainer, find_container
from ctrscope.model.container import Container, EngineName, Pod
from ctrscope.model.snapshot import Snapshot
from tests.awkward import HOSTILE, ORPHAN, SNAPSHOT, STOPPED, WEB

SANDBOX = msgspec.structs.replace(HOSTILE, id="c" * 64, name="pause", is_sandbox=True, pids=(1,), pid=1)


def host(*containers: Container) -> Snapshot:
    return msgspec.structs.replace(SNAPSHOT, containers=containers)


@pytest.mark.parametrize(
    ("query", "container"),
    [
        (WEB.id, WEB),
        ("3", WEB),
        ("3fcac95", WEB),
        ("web", WEB),
        ("docker/web", WEB),
        (WEB.key, WEB),
        ("podman@1000/legacy", ORPHAN),
        (f"containerd/k8s.io/{HOSTILE.name}", HOSTILE),
        ("pid:4730", WEB),
        ("pid:25112", HOSTILE),
        ("pod/web-0", HOSTILE),
        ("pod/shop/web-0", HOSTILE),
    ],
)
def test_a_container_is_found_by(query: str, container: Container) -> None:
    assert find_container(host(WEB, HOSTILE, ORPHAN, STOPPED, SANDBOX), query) is container


def test_a_name_wins_over_the_beginning_of_an_id() -> None:
    named = msgspec.structs.replace(STOPPED, name="3fc")
    assert find_container(host(WEB, named), "3fc") is named


def test_the_same_name_in_two_engines_is_ambiguous() -> None:
    other = msgspec.structs.replace(ORPHAN, name="web")
    with pytest.raises(AmbiguousContainer) as raised:
        find_container(host(WEB, other), "web")
    assert raised.value.candidates == (WEB, other)
    assert find_container(host(WEB, other), "docker/web") is WEB


def test_a_prefix_of_two_ids_is_ambiguous() -> None:
    other = msgspec.structs.replace(WEB, id="3f" + "1" * 62, name="other")
    with pytest.raises(AmbiguousContainer):
        find_container(host(WEB, other), "3f")


def test_a_pod_of_several_containers_is_ambiguous_without_its_sandbox() -> None:
    sidecar = msgspec.structs.replace(HOSTILE, id="e" * 64, name="istio-proxy")
    with pytest.raises(AmbiguousContainer) as raised:
        find_container(host(HOSTILE, sidecar, SANDBOX), "pod/web-0")
    assert SANDBOX not in raised.value.candidates


def test_a_pod_with_nothing_but_its_sandbox_is_the_sandbox() -> None:
    assert find_container(host(WEB, SANDBOX), "pod/web-0") is SANDBOX


def test_of_nested_containers_the_inner_one_holds_the_process() -> None:
    outer = msgspec.structs.replace(WEB, engine=EngineName.LXC, pids=(4000, 4711, 4730, 4800), pid=4000)
    assert find_container(host(outer, WEB), "pid:4730") is WEB


@pytest.mark.parametrize("query", ["wbe", "nothing like it", "", "pid:1", "pid:x", "pod/", "pod/nope", "*", "\x1b[2J"])
def test_what_is_not_there_is_not_found(query: str) -> None:
    with pytest.raises(NoSuchContainer):
        find_container(host(WEB, HOSTILE), query)


def test_a_typing_error_is_told_the_nearest_names() -> None:
    pod = msgspec.structs.replace(HOSTILE, pod=Pod(name="webs"))
    with pytest.raises(NoSuchContainer) as raised:
        find_container(host(WEB, STOPPED, pod), "wbe")
    assert raised.value.nearest[0] == "web"


def test_an_id_that_is_another_containers_name_is_ambiguous() -> None:
    plain = msgspec.structs.replace(STOPPED, id="web", name="web", engine=EngineName.RUNC)
    with pytest.raises(AmbiguousContainer) as raised:
        find_container(host(WEB, plain), "web")
    assert raised.value.candidates == (WEB, plain)
    assert find_container(host(WEB, plain), plain.key) is plain
