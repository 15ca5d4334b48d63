"""What we depend on: each with a reason, used, pinned and hashed."""

import ast
import re
import sys
from pathlib import Path

from tests.house.tree import ROOT, SOURCES, modules, tree

# Where a distribution's module has another name; those nobody imports are used as programs or drivers.
MODULES = {
    "argon2-cffi": "argon2",
    "dnspython": "dns",
    "google-re2": "re2",
    "precis-i18n": "precis_i18n",
    "pyyaml": "yaml",
    "psycopg": "psycopg",
}
DRIVERS = {"psycopg"}


def required(name: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("#", "-")):
            distribution, _, reason = line.partition("#")
            found[re.sub(r"\[.*\]", "", distribution).strip()] = reason.strip()
    return found


def third_party() -> set[str]:
    names: set[str] = set()
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - set(SOURCES)


def test_every_requirement_has_a_reason():
    for name in ("requirements.in", "requirements-dev.in"):
        assert [one for one, reason in required(name).items() if len(reason) < 10] == []


def test_what_we_import_we_require():
    assert third_party() <= {MODULES.get(name, name) for name in required("requirements.in")} | {"werkzeug"}


def test_what_we_require_we_use():
    used = third_party()
    text = (ROOT / "app/local/__main__.py").read_text()
    unused = [
        name
        for name in required("requirements.in")
        if MODULES.get(name, name) not in used and name not in DRIVERS and f"{name}." not in text
    ]
    assert unused == []


def test_requirements_are_pinned_hashed_and_of_no_machine():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        pins = re.findall(r"^[A-Za-z0-9_.-]+(?:\[.*\])?==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)
        entries = re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)
        assert len(pins) == len(entries) > 0
        assert "--find-links" not in text and "index-url" not in text


def test_every_requirement_is_compiled():
    for name in ("requirements", "requirements-dev"):
        compiled = Path(ROOT / f"{name}.txt").read_text().lower()
        assert [one for one in required(f"{name}.in") if f"\n{one}==" not in f"\n{compiled}"] == []
