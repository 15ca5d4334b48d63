"""Which way imports point (docs/ARCHITECTURE.md); the layers themselves are in pyproject.toml."""

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from mail.runtime.jobs import JOBS
from tests.house.tree import ROOT, SOURCES, functions, modules, tree


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module


def test_the_import_contract_is_kept():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_part_of_mail_has_its_layer():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layered = {name.strip() for line in contract["layers"] for name in line.split("|")}
    parts = {".".join(path.with_suffix("").parts[:2]) for path in modules() if path.parts[0] == "mail"}
    assert parts - {"mail.__init__"} == {name for name in layered if name.startswith("mail.")}


def test_no_first_party_import_inside_a_function():
    found = [
        f"{path}:{node.lineno}"
        for path in modules()
        for function in functions(path)
        for node in ast.walk(function)
        for name in imported(node)
        if name.split(".")[0] in SOURCES
    ]
    assert found == []


def test_no_relative_import():
    found = [
        str(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert found == []


def test_every_job_is_a_function_we_have():
    for job in JOBS.values():
        module, _, name = job.function.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), job.function
