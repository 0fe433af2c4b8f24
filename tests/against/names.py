"""What the containers that play a part in a comparison are called: the tests start some, the virtual machine has its own."""

import os

#: Ours → that of tests/lab/lab-up.sh.
_THERE = {
    "cs-web": "d-web",
    "cs-db": "d-db",
    "cs-side": "d-side",
    "cs-host": "d-priv",
    "cs-shop": "shopnet",
    "cs-p-web": "p-web",
    "cs-p-readonly": "p-runc",
    "cs-pod": "pod1",
    "cs-pod-a": "pod1-a",
    "cs-r1": "runc-bare",
    "cs-r2-limits": "runc-sd",
    "cs-lx1": "lx1",
    "cs-lxc0": "lxcbr0",
}

#: Whether this is the virtual machine of ``make test-v2``.
IS_V2_MACHINE = os.environ.get("CTRSCOPE_V2_MACHINE") == "1"


def called(name: str) -> str:
    """The name on this machine of a container, network or bridge of ours."""
    return _THERE[name] if IS_V2_MACHINE else name
