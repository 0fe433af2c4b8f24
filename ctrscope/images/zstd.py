"""A layer that zstd compressed: by Python's own module, which there is from 3.14 on, else by the program of that name.

*Source:* zstd(1). It is fed through pipes, as the layer may stand in an archive. It refuses what takes over 128 MiB.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread
from typing import IO

from ctrscope.oci.errors import LauncherError

MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 20  # bytes


@contextmanager
def unzstd(blob: IO[bytes]) -> Iterator[IO[bytes]]:
    """What *blob* holds. Errors: LauncherError where nothing on this host can tell, or it is broken."""
    try:
        module = import_module("compression.zstd")
    except ImportError:
        yield from _by_program(blob)
        return
    try:
        with module.ZstdFile(blob) as content:
            yield content
    except module.ZstdError as error:
        raise LauncherError(f"zstd: {error}") from error


def _by_program(blob: IO[bytes]) -> Iterator[IO[bytes]]:
    program = shutil.which("zstd")
    if program is None:
        raise LauncherError(
            "compressed with zstd, which takes the program zstd (or Python 3.14): install zstd, "
            "or copy the image once more with skopeo copy --dest-compress-format gzip"
        )
    argv = (program, "--decompress", "--stdout", "--quiet")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        feeder = Thread(target=_feed, args=(blob, process.stdin))
        feeder.start()
        try:
            yield process.stdout
        finally:
            process.stdout.close()  # whoever still writes when nobody wants more gets SIGPIPE
            said = process.stderr.read().decode(errors="replace").strip()
            feeder.join()
        if process.wait():
            raise LauncherError(f"zstd: {said or f'status {process.returncode}'}")


def _feed(blob: IO[bytes], to: IO[bytes]) -> None:
    with suppress(BrokenPipeError), to:
        shutil.copyfileobj(blob, to, _PIECE)
