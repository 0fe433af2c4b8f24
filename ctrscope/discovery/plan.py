"""How deep one pass goes: reading costs, so each verb asks for what it shows."""

from ctrscope.model.value import Value


class Plan(Value, frozen=True, kw_only=True):
    """What to read beyond the containers themselves."""

    commands: bool = True  # of containers whose state leaves it to the bundle, which is another file
    cgroups: bool = True  # of every container, in each hierarchy; which processes are in it is read anyway
    namespaces: bool = True  # of every container, and who shares them
    addresses: bool = True  # of every container's network namespace
    stats: bool = False  # limits, usage and pressure of every running container
    stopped: bool = True  # also containers that do not run
    only: str | None = None  # an id or name: where engines' states know who that is and it runs, nobody else is looked for
