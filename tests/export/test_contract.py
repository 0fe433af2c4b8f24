"""The keys are those of the published contract, and every answer satisfies the published schema."""

import json
import re
from typing import Any

import jsonschema
import pytest

from ctrscope.export.contract import (
    ANSWERS,
    AuditAnswer,
    CgroupAnswer,
    DiagnoseAnswer,
    DoctorAnswer,
    FindAnswer,
    InspectAnswer,
    NetAnswer,
    NsAnswer,
    PsAnswer,
    StatsAnswer,
    Tree,
    TreeAnswer,
    encode_answer,
    inspected,
)
from ctrscope.export.json_schema import json_schema
from ctrscope.export.stats import container_figures
from ctrscope.findings import diagnose
from ctrscope.model.cgroup import CgroupNode, EffectiveLimit, EffectiveLimits
from ctrscope.model.detail import Detail
from ctrscope.model.match import Match, MatchKind
from ctrscope.model.namespace import Holder, HolderKind, IdMapLine, Leader, Namespace, NamespaceType, TimeOffsets
from ctrscope.model.observed import Observed
from ctrscope.model.source import HeldCapability, Source
from ctrscope.model.thresholds import Thresholds
from ctrscope.model.value import Value
from tests.awkward import DETAIL, HOST, SNAPSHOT, STATS, STOPPED, WEB, WEB_PROCESSES
from tests.export.test_audit import REPORT
from tests.networks import TOPOLOGY

COMMON: dict[str, Any] = {"taken_at": SNAPSHOT.taken_at, "host": HOST, "gaps": SNAPSHOT.gaps}
PS = PsAnswer(containers=SNAPSHOT.containers, **COMMON)
INSPECT = InspectAnswer(container=inspected(WEB, DETAIL), **COMMON)
NS = NsAnswer(
    namespaces=(
        Namespace(
            type=NamespaceType.TIME,
            ino=4026532281,
            leader=Leader(pid=4711, comm="nginx"),
            held_by=(Holder(kind=HolderKind.BIND_MOUNT, pid=1, path="/run/a", mnt=4026531832),),
            uid_map=(IdMapLine(inside=0, outside=100000, count=65536),),
            offsets=TimeOffsets(monotonic=1.5, boottime=0),
        ),
    ),
    **COMMON,
)
ALL: tuple[Value, ...] = (
    PS,
    INSPECT,
    InspectAnswer(container=inspected(STOPPED, Detail()), **COMMON),
    StatsAnswer(
        stats=(
            container_figures(WEB, STATS, EffectiveLimits(cpus=EffectiveLimit(value=0.5, limited_by="/web")), None, None),
            container_figures(WEB, None, None, None, None),
        ),
        **COMMON,
    ),
    CgroupAnswer(cgroups=CgroupNode(path="/", children=(CgroupNode(path="/web", stats=STATS),)), **COMMON),
    CgroupAnswer(cgroups=None, **COMMON),
    TreeAnswer(trees=(Tree(supervisor=4690, containers=(WEB.id,), processes=WEB_PROCESSES),), **COMMON),
    NS,
    AuditAnswer(containers=1, findings=REPORT.findings, accepted=REPORT.accepted, rules=REPORT.rules, **COMMON),
    DiagnoseAnswer(findings=diagnose(Observed(snapshot=SNAPSHOT), Thresholds()), **COMMON),
    NetAnswer(
        network_namespaces=TOPOLOGY.network_namespaces, edges=TOPOLOGY.edges, publications=TOPOLOGY.publications, **COMMON
    ),
    NetAnswer(network_namespaces=(), edges=(), publications=None, **COMMON),
    FindAnswer(
        matches=(
            Match(kind=MatchKind.PROCESS, what="process 4711", container=WEB.key, detail="nginx, its init"),
            Match(kind=MatchKind.PORT, what="tcp *:22", container=None, detail="the host's own"),
        ),
        **COMMON,
    ),
    DoctorAnswer(
        engines=SNAPSHOT.engines,
        sources=(Source(source="/proc", tells="processes", readable=True, needs=None),),
        capabilities=(HeldCapability(capability="CAP_SYS_PTRACE", held=False, buys="namespaces"),),
        **COMMON,
    ),
)
#: As the contract lists them.
CONTAINER_KEYS = """id name engine engine_namespace owner_uid runtime status pid created_at started_at image command bundle
    rootfs labels pod monitor cgroup namespaces shares ports addresses evidence"""
INSPECT_KEYS = "processes limits usage mounts overlay security environment log_path"
PROCESS_KEYS = "pid ppid nspid comm cmdline state uid started_at role"
GAP_KEYS = "subject fields source reason needs detail"

NAMESPACE_KEYS = "type ino nprocs leader owner parent owner_uid containers held_by"
HOLDER_KEYS = "kind pid path"
MATCH_KEYS = "kind what container detail"


def decoded(answer: Value) -> Any:
    return json.loads(encode_answer(answer))


def test_the_samples_cover_every_answer() -> None:
    assert {type(answer) for answer in ALL} == set(ANSWERS.values())


@pytest.mark.parametrize("answer", ALL, ids=lambda answer: type(answer).__name__)
def test_an_answer_satisfies_the_schema(answer: Value) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(decoded(answer))


@pytest.mark.parametrize("key", ["schema", "containers", "gaps"])
def test_the_schema_refuses_an_answer_that_lacks_a_key(key: str) -> None:
    answer = decoded(PS)
    del answer[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(answer)


@pytest.mark.parametrize("answer", ALL, ids=lambda answer: type(answer).__name__)
def test_an_answer_is_one_line_and_begins_and_ends_with_the_common_keys(answer: Value) -> None:
    assert encode_answer(answer).count(b"\n") == 0
    keys = list(decoded(answer))
    assert (keys[:3], keys[-1]) == (["schema", "taken_at", "host"], "gaps")
    assert decoded(answer)["schema"] == "ctrscope/1"


def test_a_container_has_every_key_of_the_contract_whatever_is_known() -> None:
    for container in decoded(PS)["containers"]:
        assert set(CONTAINER_KEYS.split()) <= set(container)


def test_inspect_adds_the_keys_of_the_contract_to_those_of_ps() -> None:
    container = decoded(INSPECT)["container"]
    assert set(decoded(PS)["containers"][0]) | set(INSPECT_KEYS.split()) <= set(container)
    assert set(container["processes"][0]) >= set(PROCESS_KEYS.split())
    assert set(container["overlay"]) == {"lower", "upper", "work"}
    security = "capabilities seccomp no_new_privs apparmor selinux uid_map gid_map masked_paths readonly_paths devices"
    assert set(container["security"]) >= set(security.split())
    assert container["environment"]["DB_PASSWORD"] == "***"


def test_a_gap_has_the_keys_of_the_contract() -> None:
    assert [set(gap) for gap in decoded(PS)["gaps"]] == [set(GAP_KEYS.split())] * 3


def test_shares_name_the_host_or_the_other_containers() -> None:
    assert decoded(INSPECT)["container"]["shares"] == {"user": "host", "net": ["b" * 64]}


def test_bytes_that_are_not_utf8_become_the_replacement_character() -> None:
    names = [container["name"] for container in decoded(PS)["containers"]]
    assert names[0] == "a [bold]b[/] \x1b[31mred\u202e\ufffd\n日本"
    assert decoded(PS)["gaps"][2]["detail"] == "line 1: \ufffd"


def test_the_schema_describes_every_answer_and_says_which_keys_are_always_there() -> None:
    schema = json_schema()
    assert {re.sub(".*/", "", one["$ref"]) for one in schema["anyOf"]} == {answer.__name__ for answer in ANSWERS.values()}
    objects = [one for one in schema["$defs"].values() if "properties" in one]
    assert all(set(one["required"]) == set(one["properties"]) for one in objects)


def test_a_namespace_has_every_key_of_the_contract() -> None:
    (namespace,) = decoded(NS)["namespaces"]
    assert set(NAMESPACE_KEYS.split()) <= set(namespace)
    assert set(HOLDER_KEYS.split()) <= set(namespace["held_by"][0])


def test_find_has_the_keys_of_the_contract() -> None:
    (answer,) = [answer for answer in ALL if isinstance(answer, FindAnswer)]
    for match in decoded(answer)["matches"]:
        assert list(match) == MATCH_KEYS.split()
