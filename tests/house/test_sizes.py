"""Ceilings: a module 400 lines, a function 60, a class 250, the median function under 10."""

from statistics import median

from tests.house.tree import ROOT, classes, functions, length, modules

MODULE, FUNCTION, CLASS, MEDIAN = 400, 60, 250, 10

# What must be longer, with its reason. This list may only shrink.
LONGER: dict[str, str] = {}


def test_no_module_is_longer_than_its_ceiling():
    sizes = {str(path): len((ROOT / path).read_text().splitlines()) for path in modules()}
    sizes |= {str(path): len(path.read_text().splitlines()) for path in (ROOT / "tests").rglob("*.py")}
    assert {path: size for path, size in sizes.items() if size > MODULE and path not in LONGER} == {}


def test_no_function_is_longer_than_its_ceiling():
    sizes = {f"{path}:{one.name}": length(one) for path in modules() for one in functions(path)}
    assert {name: size for name, size in sizes.items() if size > FUNCTION and name not in LONGER} == {}


def test_no_class_is_longer_than_its_ceiling():
    sizes = {f"{path}:{one.name}": length(one) for path in modules() for one in classes(path)}
    assert {name: size for name, size in sizes.items() if size > CLASS and name not in LONGER} == {}


def test_the_median_function_is_short():
    assert median(length(one) for path in modules() for one in functions(path)) < MEDIAN


def test_whatever_may_be_longer_is_longer():
    known = {str(path) for path in modules()}
    known |= {f"{path}:{one.name}" for path in modules() for one in (*functions(path), *classes(path))}
    assert LONGER.keys() - known == set()
