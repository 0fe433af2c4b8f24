"""What an image says about itself, read when somebody opens it."""

from collections.abc import Iterator, Sequence

from ctrscope.discovery.secrets import MASK, looks_secret
from ctrscope.engines.image_config import CONFIG_LIMIT, Configuration, History, Settings, parse_configuration
from ctrscope.model.gap import Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.storage import HistoryStep, Image, ImageConfig, ImageLayer
from ctrscope.probes.hostfs import HostFs

_SUBJECT, _FIELDS = "image", ("history", "environment", "command")


def read_image_config(hostfs: HostFs, image: Image) -> Reading[ImageConfig]:
    """Read the configuration of an image. What looks secret in its environment is ``***``.

    Gaps: a file that is not there (containerd keeps it only where the image was pulled whole), or is none.
    """
    path = image.config_path
    if path is None:
        detail = "nothing in the store leads to its configuration"
        gap = Gap(subject=_SUBJECT, fields=_FIELDS, source=image.source, reason=Reason.UNAVAILABLE, detail=detail)
        return Reading(None, (gap,))
    try:
        found = parse_configuration(hostfs.read(path, limit=CONFIG_LIMIT, owner=image.owner_uid or None), path)
    except (OSError, ParseError) as error:
        return Reading(None, (gap_of(error, _SUBJECT, _FIELDS, path),))
    return Reading(_config(found, image.layers))


def _config(found: Configuration, layers: Sequence[ImageLayer]) -> ImageConfig:
    settings = found.config or Settings()
    return ImageConfig(
        created_at=found.created,
        author=found.author or "",
        os=found.os or "",
        architecture=found.architecture or "",
        user=settings.user or "",
        working_dir=settings.working_dir or "",
        entrypoint=settings.entrypoint or (),
        command=settings.cmd or (),
        environment=tuple(_masked(one) for one in settings.env or ()),
        exposed_ports=tuple(settings.exposed_ports or ()),
        volumes=tuple(settings.volumes or ()),
        labels=settings.labels or {},
        history=tuple(_history(found.history or (), layers)),
    )


def _history(steps: Sequence[History], layers: Sequence[ImageLayer]) -> Iterator[HistoryStep]:
    """Steps with the size of the layer that each made; unknown where the two do not go together."""
    making = [step for step in steps if not step.empty_layer]
    sizes = iter([layer.size for layer in layers]) if len(making) == len(layers) else None
    for step in steps:
        size = 0 if step.empty_layer else next(sizes, None) if sizes is not None else None
        yield HistoryStep(
            created_at=step.created, created_by=_masked_words(step.created_by or ""), comment=step.comment or "", size=size
        )


def _masked(variable: str) -> str:
    name, equals, value = variable.partition("=")
    return f"{name}={MASK}" if equals and looks_secret(name, value) else variable


def _masked_words(command: str) -> str:
    """A step may set a variable, or have been given one: ``ENV TOKEN=…``, ``|1 TOKEN=… /bin/sh -c …``."""
    return " ".join(_masked(word) for word in command.split(" "))
