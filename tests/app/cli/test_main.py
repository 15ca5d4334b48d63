import subprocess
from pathlib import Path

from tests.bundle import ROOT, Bundle


def mailctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "mailctl"), *words], capture_output=True, text=True, check=False)


def test_done_is_zero(bundle: Bundle):
    assert mailctl("--dir", str(bundle.folder), "status").returncode == 0


def test_not_found_is_one_and_says_what(bundle: Bundle):
    run = mailctl("--dir", str(bundle.folder), "account", "quota", "nobody", "1")
    assert run.returncode == 1
    assert run.stderr.startswith("Error: ") and "nobody" in run.stderr and "Traceback" not in run.stderr


def test_wrong_usage_is_two(bundle: Bundle):
    assert mailctl("--dir", str(bundle.folder), "account", "quota").returncode == 2
    assert mailctl("frobnicate").returncode == 2


def test_a_bundle_that_does_not_answer_is_three(bundle: Bundle, tmp_path: Path):
    text = (bundle.folder / "mailstead.toml").read_text()
    run_dir = str(bundle.folder / "run")
    assert run_dir in text
    (tmp_path / "mailstead.toml").write_text(text.replace(run_dir, str(tmp_path)))
    command = [str(ROOT / "mailctl"), "--dir", str(tmp_path), "account", "password", "mailstead", "--password-stdin"]
    run = subprocess.run(command, input="does not matter\n", capture_output=True, text=True, check=False)
    assert run.returncode == 3, run
    assert "does not answer" in run.stderr
