"""A file that somebody named is written, and none that is there already unless they said so."""

import os
import stat

from ctrscope.act.refusal import CannotAct

_MODE = 0o600  # what is shown to root is not everybody's


def write_file(path: str, text: str, *, replace: bool = False, with_directory: bool = False) -> str:
    """Write a text to a file, and return its whole path.

    What is replaced is the name: whoever else may write in that directory can have put a link there, and where that leads
    stays as it is. *with_directory*: the directory that it is in is made, where it is not there.

    *Errors:* FileExistsError: it is there, and was not to be replaced; CannotAct.
    """
    whole = os.path.abspath(os.path.expanduser(path))
    content = text.encode("utf-8", "backslashreplace")
    try:
        if with_directory:
            os.makedirs(os.path.dirname(whole), mode=0o700, exist_ok=True)
        if not replace:
            _write_new(whole, content)
            return whole
        if not stat.S_ISREG((found := os.lstat(whole)).st_mode) and not stat.S_ISLNK(found.st_mode):
            raise CannotAct(f"{path} is no file, so it is not replaced: choose another name")
        beside = f"{whole}.{os.getpid()}.new"
        _write_new(beside, content)
        try:
            os.rename(beside, whole)
        except OSError:
            os.unlink(beside)
            raise
    except FileExistsError:
        raise
    except (OSError, ValueError) as error:  # a path with a zero in it is a ValueError
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotAct(f"{path} could not be written: {reason}; choose another place") from error
    return whole


def _write_new(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError:  # ENOSPC: half of it helps nobody
        os.unlink(path)
        raise
