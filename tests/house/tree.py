"""What the tests of the house look at: the project's own Python files."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("mail", "listeners", "workers", "app")


@cache
def modules() -> tuple[Path, ...]:
    """Every module of the product, relative to the root."""
    found = (path.relative_to(ROOT) for source in SOURCES for path in (ROOT / source).rglob("*.py"))
    return tuple(sorted(found))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def classes(path: Path) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            yield node


def length(node: ast.AST) -> int:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.end_lineno
    return node.end_lineno - node.lineno + 1
