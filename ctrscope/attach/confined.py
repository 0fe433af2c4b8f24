"""What ``--confined`` takes over from init: label and limits as the kernel has them, filter and directory as the bundle has."""

from ctrscope.attach.confinement import Confinement, Filter, read_label, read_limits, read_oom_score_adj
from ctrscope.attach.request import CannotAttach
from ctrscope.attach.seccomp import Bundle, compile_filter, read_bundle
from ctrscope.model.container import Container
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_status import Status


def read_confined(host: HostFs, container: Container, process: ProcDir, status: Status) -> tuple[Confinement, str | None]:
    """What holds *process*, the container's init, back, and where it was started. Errors: CannotAttach, OSError, ParseError."""
    bundle = _read_bundle(host, container)
    confinement = Confinement(
        label=read_label(process),
        filter=None if status.seccomp != "filter" else _rebuild_filter(container.name, bundle),
        limits=read_limits(process),
        oom_score_adj=read_oom_score_adj(process),
    )
    return confinement, bundle.cwd if isinstance(bundle, Bundle) else None


def _read_bundle(host: HostFs, container: Container) -> Bundle | str:
    """What the bundle says, or why that cannot be known."""
    if container.bundle is None:
        return "its engine keeps no bundle"
    try:
        return read_bundle(host, container.bundle)
    except (OSError, ParseError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"{container.bundle}/config.json: {why}"


def _rebuild_filter(name: str, bundle: Bundle | str) -> Filter:
    """The seccomp filter as its runtime was told to make it. Errors: CannotAttach; confined without it would be a lie."""
    try:
        if isinstance(bundle, Bundle) and bundle.seccomp is not None:
            return compile_filter(bundle.seccomp)
        why = bundle if isinstance(bundle, str) else "its bundle has none, and init has one"
    except (OSError, ParseError) as error:
        why = str(error)
    raise CannotAttach(
        f"cannot attach to {name} --confined: its seccomp filter cannot be rebuilt: {why}; "
        "leave out --confined to enter without the filter"
    )
