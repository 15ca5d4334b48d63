"""The file that stands for the DNS: `mail.dns.zone`'s names and records, as JSON or YAML.

In YAML every scalar is the text that is written: `TXT: yes` and `NS: 1.10` mean what they say. A name written twice is
refused, because YAML would drop the first of the two in silence. A test suite's scenario is a zone too: what is below
its key `zonedata` counts.
"""

from pathlib import Path
from typing import Any

import orjson
import yaml

from mail.errors import Invalid


class _Texts(yaml.BaseLoader):
    """YAML without guesses; no merge keys, no tags but the plain ones."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a name is a text", key.start_mark)
            if key.value in written:
                problem = f"{key.value!r} is written twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            written.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_zone(path: Path) -> dict[str, Any]:
    """The names with their records, whose shape is still to be checked. Invalid when the file is neither form."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise Invalid(public=f"cannot read {path}: {error.strerror}") from error
    found = _read(path, octets)
    if isinstance(found, dict) and "zonedata" in found:
        found = found["zonedata"]
    if not isinstance(found, dict):
        raise Invalid(public=f"{path}: a zone is written as names with a list of records each")
    return found


def _read(path: Path, octets: bytes) -> Any:
    try:
        return orjson.loads(octets)
    except orjson.JSONDecodeError:
        pass  # then it is YAML, or neither
    try:
        return yaml.load(octets, _Texts)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(public=f"{path} is neither YAML nor JSON: {error}") from error
