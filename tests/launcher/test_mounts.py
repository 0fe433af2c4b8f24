"""Options of mounts as flags; the numbers are those of mount(2) and mount_setattr(2)."""

import pytest

from ctrscope.launcher.mounts import Options, parse_options


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), Options()),
        (("nosuid", "noexec", "nodev", "ro"), Options(flags=15)),
        (("ro", "nosuid", "rw"), Options(flags=2)),
        (("rbind", "rslave"), Options(flags=4096 | 16384, propagations=((1 << 19) | 16384,))),
        (("bind", "private", "shared"), Options(flags=4096, propagations=(1 << 18, 1 << 20))),
        (("mode=755", "strictatime", "size=65536k"), Options(flags=1 << 24, data="mode=755,size=65536k")),
        (("rro", "rnosuid", "rsuid"), Options(given=1, taken=2)),
        (("tmpcopyup", "defaults"), Options(copy_up=True)),
    ],
)
def test_options_are_sorted(options: tuple[str, ...], wanted: Options) -> None:
    assert parse_options(options) == wanted
    assert wanted.is_bind is ("bind" in options or "rbind" in options)
