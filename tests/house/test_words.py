"""What must not be in the tree: this machine's paths, promises to do it later, refused names, broken links."""

import re
import subprocess

from tests.house.tree import ROOT, functions, modules

REFUSED = {"utils", "helpers", "common", "core", "base", "manager", "handler", "data", "info", "misc"}
# Names the RFCs give: DATA is an SMTP command.
BY_RFC = {"mail/smtp/data.py", "listeners/smtp/data.py"}
LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\b[Ff]or now\b")
MACHINE = re.compile(r"/(?:home|root|work|Users)/[a-z]|/tmp/(?!mailstead)[a-z]")
LINK = re.compile(r"\[[^\]]*\]\(([^)#:]+)(?:#[^)]*)?\)")


def tracked() -> list[str]:
    run = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False)
    if run.returncode:
        return [str(path) for path in modules()]
    return [name for name in run.stdout.decode().splitlines() if (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str], *, but: tuple[str, ...] = ()) -> list[str]:
    found: list[str] = []
    for name in tracked():
        if name.startswith(("tests/house/", "requirements", *but)) or name.endswith((".png", ".gz", ".eml")):
            continue
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_nothing_is_left_for_later():
    assert lines_with(LATER) == []


def test_no_path_of_one_machine():
    assert lines_with(MACHINE) == []


def test_no_module_has_a_refused_name():
    assert [str(path) for path in modules() if path.stem in REFUSED and str(path) not in BY_RFC] == []


def test_no_function_has_a_refused_name():
    found = [
        f"{path}:{function.name}"
        for path in modules()
        for function in functions(path)
        if function.name.startswith(("process_", "do_"))
    ]
    assert found == []


def test_every_module_begins_with_a_docstring():
    without = [str(path) for path in modules() if not (ROOT / path).read_text().lstrip().startswith(('"""', 'r"""'))]
    assert without == []


def test_every_link_in_the_documents_leads_somewhere():
    broken = [
        f"{name}: {target}"
        for name in tracked()
        if name.endswith(".md")
        for target in LINK.findall((ROOT / name).read_text())
        if not ((ROOT / name).parent / target).exists()
    ]
    assert broken == []


def test_blind_excepts_are_the_three_of_the_house():
    """The conversation, the job and the request catch everything; each log, count and answer. Nobody else does."""
    waived = lines_with(re.compile(r"noqa: BLE001"), but=("tests/", "bench/"))
    assert len(waived) <= 8, waived
