"""The process table, roles/supervisor/defaults/main.yml, and what there is to run."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import yaml

from app.local.places import PORTS
from mail.runtime.jobs import JOBS
from tests.house.tree import ROOT

ROLE = ROOT / "roles/supervisor"
PROGRAMS: list[dict[str, Any]] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())["supervisor_programs"]
BY_NAME = {row["name"]: row for row in PROGRAMS}


def test_names_are_unique():
    assert len(BY_NAME) == len(PROGRAMS)


def test_every_program_is_a_module_with_a_main():
    for row in PROGRAMS:
        if not row.get("exec"):
            module = row["command"].split()[0]
            found = importlib.util.find_spec(module)
            assert found is not None, module
            if found.submodule_search_locations is not None:
                found = importlib.util.find_spec(f"{module}.__main__")
            assert found is not None and found.origin is not None, module
            text = Path(found.origin).read_text()
            assert "def main() -> None:" in text or "import main" in text, module


def test_there_is_one_clock_and_one_of_each_inner_service():
    assert [BY_NAME[name]["count"] for name in ("clock", "keeper", "auth", "sign")] == [1, 1, 1, 1]


def test_every_job_has_a_worker_for_its_queue():
    workers = {row["name"] for row in PROGRAMS if row["command"] == f"workers.{row['name']}"}
    assert {job.queue for job in JOBS.values()} <= workers


def test_every_port_has_one_program_that_listens_on_it():
    listened = [name for row in PROGRAMS for name in row["listen"]]
    assert sorted(listened) == sorted(PORTS)


def test_rows_keep_the_signature_of_the_role():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]["supervisor_programs"]["options"]
    for row in PROGRAMS:
        assert row.keys() <= options.keys(), row["name"]
        assert {name for name, option in options.items() if option.get("required")} <= row.keys(), row["name"]


def test_the_templates_use_what_the_role_says_it_takes():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    named = specs["argument_specs"]["main"]["options"].keys()
    used = {word for path in (ROLE / "templates").iterdir() for word in re.findall(r"supervisor_\w+", path.read_text())}
    assert used == set(named)


def test_nothing_is_killed_while_it_may_still_finish_a_message():
    # Security §3.10: sessions in DATA get 60 s.
    for name in ("mx", "submission", "imap", "keeper", "deliver"):
        assert BY_NAME[name]["stop_seconds"] >= 75, name


def test_each_program_that_meets_strangers_has_a_user_of_its_own():
    users = [
        BY_NAME[name]["user"]
        for name in ("mx", "submission", "imap", "keeper", "auth", "sign", "web", "deliver", "redis")
    ]
    assert len(set(users)) == len(users)


def test_the_operations_page_names_every_program():
    page = (ROOT / "docs/OPERATIONS.md").read_text()
    assert [name for name in BY_NAME if f"`{name}`" not in page] == []
