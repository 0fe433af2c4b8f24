import json
from pathlib import Path

import pytest

from ctrscope.engines.oci_runtime import Runc
from ctrscope.engines.state_file import USER_LIMIT, first_of
from ctrscope.model.gap import Reason
from tests.builders import HostTree
from tests.engines.surveys import survey_of


@pytest.mark.parametrize("owner", [None, 0])
def test_of_roots_everything_is_read(owner: int | None) -> None:
    entries = list(range(USER_LIMIT + 1))

    assert first_of(entries, owner, "engine runc", "/run/runc") == (entries, ())


def test_of_a_users_no_more_than_the_limit_is_read_and_the_rest_is_a_gap() -> None:
    entries, (gap,) = first_of(list(range(USER_LIMIT + 1)), 1000, "engine runc", "/run/user/1000/runc")

    assert entries == list(range(USER_LIMIT))
    assert (gap.reason, gap.source) == (Reason.TRUNCATED, "/run/user/1000/runc")
    assert gap.detail == f"{USER_LIMIT + 1} entries of uid 1000: {USER_LIMIT} were read"


def test_exactly_the_limit_is_no_gap() -> None:
    assert first_of([1] * USER_LIMIT, 1000, "engine runc", "/x")[1] == ()


def test_a_user_cannot_make_root_read_states_without_end(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    for number in range(USER_LIMIT + 5):
        (host.path / f"run/user/1000/runc/{number}").mkdir(parents=True)
    host.file("/run/runc/system/state.json", json.dumps({"id": "system", "config": {"rootfs": "/r"}}))

    reading = Runc().read_state(survey_of(host.fs))

    assert [record.id for record in reading.records] == ["system"]
    assert Reason.TRUNCATED in {gap.reason for gap in reading.gaps}
