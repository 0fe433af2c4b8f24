"""``ctrscope schema``: the JSON Schema of every answer."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import print_json
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus


class Schema:
    """The JSON Schema."""

    name: ClassVar[str] = "schema"
    help: ClassVar[str] = "the JSON Schema of every --json answer"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """No arguments."""

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Print it; reads nothing."""
        import msgspec

        from ctrscope.export.json_schema import json_schema

        print_json(environment, msgspec.json.encode(json_schema()))
        return ExitStatus.DONE
