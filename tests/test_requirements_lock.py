"""requirements.lock is what pyproject.toml asks for, exactly, and comes from nowhere in particular."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text()


def test_everything_that_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *project["build-system"]["requires"]]
    names = {re.split(r"[<>=~! ;\[]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
    locked = set(re.findall(r"^([a-z0-9._-]+)==", LOCK, re.MULTILINE))
    assert names - locked == set(), "make lock"


def test_every_version_is_exact_and_has_hashes() -> None:
    blocks = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > 10
    assert [block for block in blocks if not re.match(r"[a-z0-9._-]+==[^ ]+ (;.*)?\\\n +--hash=sha256:", block)] == []


def test_no_registry_is_named() -> None:
    assert "://" not in LOCK
    assert "index" not in LOCK
