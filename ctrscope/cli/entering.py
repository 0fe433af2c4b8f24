"""Entering a container, from the command line and from the dashboard: planned, written to the system log, done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ctrscope.cli.environment import Environment
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.render.safe import inert

if TYPE_CHECKING:
    from ctrscope.attach.request import AttachRequest


def enter_container(
    environment: Environment, container: Container, request: "AttachRequest", escape: bytes | None = None
) -> int:
    """Exit status of the command, or 125 to 127 with a message of why there was none. *escape* None: the usual keys."""
    from ctrscope.act.record import record
    from ctrscope.attach.enter import ESCAPE, enter
    from ctrscope.attach.plan import plan_attach
    from ctrscope.attach.request import CannotAttach

    try:
        plan = plan_attach(environment.host, container, request)
        record(f"attach namespaces={','.join(plan.namespaces) or 'none'}", container.key, container.name)
        return enter(plan, ESCAPE if escape is None else escape)
    except CannotAttach as error:
        environment.say(f"ctrscope: {inert(str(error))}")
        return error.status
    except OSError as error:  # no more processes, no more descriptors
        environment.say(f"ctrscope: cannot attach to {inert(container.name)}: {error.strerror or error}")
        return 125


@contextmanager
def thawed(environment: Environment, container: Container, *, yes: bool) -> Iterator[Container]:
    """The container, awake as long as the context lasts if it was paused. Asks first. Errors: CannotAct."""
    import msgspec

    from ctrscope.act.freezer import apply_freeze, plan_freeze
    from ctrscope.act.refusal import CannotAct
    from ctrscope.attach.guard import undone
    from ctrscope.cli.consent import ask

    if container.status is not ContainerStatus.PAUSED:
        yield container
        return
    name = inert(container.name)
    awake = msgspec.structs.replace(container, status=ContainerStatus.RUNNING)
    thaw = plan_freeze(environment.host, container, frozen=False)
    if not thaw.directories:  # somebody else woke it: then it is not for us to pause
        yield awake
        return
    ask(
        environment,
        [f"{name} is paused. It runs while you are in, and is paused again when you leave."],
        f"Wake {name}?",
        yes=yes,
    )

    def pause_again() -> None:
        # What was told to freeze before, whoever told it, and nothing else; also when it would not thaw.
        try:
            apply_freeze(environment.host, msgspec.structs.replace(thaw, frozen=True))
        except CannotAct as error:
            environment.say(f"ctrscope: {name} is not paused again: {inert(str(error))}")

    with undone(pause_again):
        apply_freeze(environment.host, thaw)
        yield awake
