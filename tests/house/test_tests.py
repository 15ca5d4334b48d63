"""A test file a module, at the mirrored path, and one a noun of it where that is too long. Names that are sentences."""

import ast
from pathlib import Path

from tests.house.tree import ROOT, functions, modules

# Modules without statements to test: a docstring, or the two lines that start what is tested elsewhere.
TRIVIAL = 6

# What is proved by a test elsewhere: a module, or a folder with all below it. This list may only shrink.
ELSEWHERE: dict[str, str] = {
    "app/serve.py": "tests/app/test_factory.py",
    "app/wsgi.py": "tests/app/test_factory.py",
    # From outside, octet by octet, on a running bundle.
    "listeners/auth/service.py": "tests/interop/test_first_mail.py",
    "listeners/imap": "tests/interop/test_imap_wire.py",
    "mail/imap": "tests/interop/test_imap_wire.py",
    "listeners/smtp": "tests/interop/test_smtp_wire.py",
    "listeners/tls.py": "tests/interop/test_smtp_wire.py",
    "listeners/keeper/__main__.py": "tests/faults/test_storm.py",
    "listeners/keeper/replies.py": "tests/listeners/keeper/test_verbs.py",
    # Values that what uses them proves.
    "mail/errors.py": "tests/mail/smtp/test_replies.py",
    "mail/now.py": "tests/mail/accounts/test_failures.py",
    # One engine of changes in several modules.
    "mail/store/arrival_rows.py": "tests/mail/store/test_learning.py",
    "mail/store/arrivals.py": "tests/mail/store/test_changes.py",
    "mail/store/blob_rows.py": "tests/mail/store/test_changes.py",
    "mail/store/classes.py": "tests/mail/store/test_learning.py",
    "mail/store/flags.py": "tests/mail/imap/test_grammar.py",
    "mail/store/invariants.py": "tests/mail/store/test_verify.py",
    "mail/store/learning_schema.py": "tests/mail/store/test_migrate.py",
    "mail/store/mailbox_changes.py": "tests/mail/store/test_changes.py",
    "mail/store/mailboxes.py": "tests/mail/store/test_changes.py",
    "mail/store/message_changes.py": "tests/mail/store/test_changes.py",
    "mail/store/migrations": "tests/mail/store/test_migrate.py",
    "mail/store/queue_admin.py": "tests/mail/store/test_queue.py",
    "mail/store/queue_leases.py": "tests/mail/store/test_queue.py",
    "mail/store/revision.py": "tests/mail/store/test_migrate.py",
    "mail/store/rows.py": "tests/mail/store/test_changes.py",
    "mail/store/schema.py": "tests/mail/store/test_migrate.py",
    "mail/store/status.py": "tests/app/cli/test_operations.py",
}


def wanted(path: Path) -> Path:
    name = "main" if path.stem == "__main__" else path.stem.replace(".", "_")
    return Path("tests") / path.parent / f"test_{name.removeprefix('_')}.py"


def is_elsewhere(path: Path) -> bool:
    return any(str(one) in ELSEWHERE for one in (path, *path.parents))


def statements(path: Path) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse((ROOT / path).read_text())))


def test_every_module_has_its_test_file():
    missing = [
        str(path)
        for path in modules()
        if path.stem != "__init__"
        and statements(path) > TRIVIAL
        and not is_elsewhere(path)
        and not (ROOT / wanted(path)).exists()
    ]
    assert missing == []


def test_every_exception_names_a_module_and_a_test_there_is():
    for module, test in ELSEWHERE.items():
        assert (ROOT / module).exists() and (ROOT / test).exists(), module


def is_of(path: Path, known: set[Path]) -> bool:
    """Whether it tests a module, or a noun of one: test_sending_chunks.py is of sending.py."""
    words = path.stem.split("_")
    return any(path.with_stem("_".join(words[:count])) in known for count in range(2, len(words) + 1))


def test_every_mirrored_test_file_has_its_module():
    known = {wanted(path) for path in modules()}
    mirrored = [
        path.relative_to(ROOT)
        for part in ("mail", "listeners", "workers", "app")
        for path in (ROOT / "tests" / part).rglob("test_*.py")
    ]
    assert [str(path) for path in mirrored if not is_of(path, known) and path.stem != "test_dialogs"] == []


def test_names_of_tests_are_sentences():
    short = [
        f"{path.name}:{function.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for function in functions(path.relative_to(ROOT))
        if function.name.startswith("test_") and function.name.count("_") < 2
    ]
    assert short == []


def test_no_exception_outlives_its_reason():
    stale = [module for module in ELSEWHERE if (ROOT / wanted(Path(module))).exists()]
    assert stale == []
