"""One test file a module, at the mirrored path, and tests whose names are sentences."""

import ast
from pathlib import Path

from tests.house.tree import ROOT, functions, modules

# Modules without statements to test: a docstring, or the two lines that start what is tested elsewhere.
TRIVIAL = 6

# What is proved by a test elsewhere. This list may only shrink.
ELSEWHERE: dict[str, str] = {
    "app/serve.py": "tests/app/test_factory.py",
    "app/wsgi.py": "tests/app/test_factory.py",
}


def wanted(path: Path) -> Path:
    name = "main" if path.stem == "__main__" else path.stem.replace(".", "_")
    return Path("tests") / path.parent / f"test_{name.removeprefix('_')}.py"


def statements(path: Path) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse((ROOT / path).read_text())))


def test_every_module_has_its_test_file():
    missing = [
        str(path)
        for path in modules()
        if path.stem != "__init__"
        and statements(path) > TRIVIAL
        and str(path) not in ELSEWHERE
        and not (ROOT / wanted(path)).exists()
    ]
    assert missing == []


def test_every_exception_names_a_module_and_a_test_there_is():
    for module, test in ELSEWHERE.items():
        assert (ROOT / module).exists() and (ROOT / test).exists(), module


def test_every_mirrored_test_file_has_its_module():
    known = {wanted(path) for path in modules()}
    mirrored = [
        path.relative_to(ROOT)
        for part in ("mail", "listeners", "workers", "app")
        for path in (ROOT / "tests" / part).rglob("test_*.py")
    ]
    assert [str(path) for path in mirrored if path not in known and path.stem != "test_dialogs"] == []


def test_names_of_tests_are_sentences():
    short = [
        f"{path.name}:{function.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for function in functions(path.relative_to(ROOT))
        if function.name.startswith("test_") and function.name.count("_") < 2
    ]
    assert short == []
