"""Which process is the hypervisor of a sandbox."""

from pathlib import Path

import pytest

from ctrscope.engines.kata import read_hypervisor_pid
from ctrscope.model.gap import ParseError
from tests.builders import HostTree

_STATE = '{"HypervisorState": {"Pid": %s}}'


def test_the_state_of_a_sandbox_names_its_hypervisor(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/run/vc/sbs/box/persist.json", _STATE % 4711)
    assert read_hypervisor_pid(tree.fs, "box") == 4711


@pytest.mark.parametrize("pid", ["0", "-1", "4294967296", '"x"'])
def test_a_number_that_no_process_has_is_malformed(tmp_path: Path, pid: str) -> None:
    tree = HostTree(tmp_path)
    tree.file("/run/vc/sbs/box/persist.json", _STATE % pid)
    with pytest.raises(ParseError):
        read_hypervisor_pid(tree.fs, "box")


def test_an_id_does_not_lead_out_of_the_directory_of_sandboxes(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/home/ada/persist.json", _STATE % 1)
    with pytest.raises(ParseError, match="no id"):
        read_hypervisor_pid(tree.fs, "../../../home/ada")
