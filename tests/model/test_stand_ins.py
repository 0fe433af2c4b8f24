"""The model leaves modules out of msgspec; to everybody else they are what they always were."""

import subprocess
import sys

_PROGRAM = """
import ctrscope.model
import datetime, decimal, sys, typing, uuid
import msgspec.inspect, msgspec.toml, msgspec.yaml
assert uuid.UUID(int=1).hex and decimal.Decimal("0.1") and datetime.datetime.now(datetime.UTC)
assert msgspec.inspect.type_info(int) and msgspec.toml.decode and msgspec.yaml.decode
assert typing.ForwardRef("int").__forward_code__ is not None
assert msgspec.json.decode(b"[1]", type=list[int]) == [1]
import re
assert (typing.Pattern.__origin__, typing.Match.__origin__) == (re.Pattern, re.Match)
assert (re.Pattern, re.Match) == (type(re.compile("")), type(re.match("", "")))
long = typing.Annotated[str, msgspec.Meta(pattern="..")]
assert msgspec.json.decode(b'"ab"', type=long) == "ab"
try:
    msgspec.json.decode(b'"a"', type=long)
except msgspec.ValidationError:
    pass
else:
    raise AssertionError("the pattern was not asked")
from ctrscope.export.json_schema import json_schema
assert json_schema()["$defs"]
"""


def test_modules_that_msgspec_did_without_are_themselves_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
