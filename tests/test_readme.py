"""The examples of the README and of the guides run; README's commands are what CI runs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = sorted((ROOT / "samples" / "guides").glob("*.md"))
TASKS = [
    "remove",
    "replace",
    "extend",
    "masks",
    "batch",
    "bring-home",
    "proof",
    "models",
    "python",
    "extending",
]


def blocks(kind: str) -> list[ParameterSet]:
    """Code of one kind: of the README, and, among the slow tests, of the guides."""
    found = list[ParameterSet]()
    for page in (ROOT / "README.md", *GUIDES):
        marks = () if page.parent == ROOT else (pytest.mark.slow,)
        for code in re.findall(rf"```{kind}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            lines = code.splitlines() if kind == "sh" else [code]
            found += [pytest.param(one, marks=marks, id=f"{page.stem}-{one[:50]}") for one in lines]
    return found


SHELL = blocks("sh")
PYTHON = blocks("python")


@pytest.fixture(autouse=True)
def beside_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(
        ROOT / "samples", tmp_path / "samples", ignore=shutil.ignore_patterns("*.edit.*")
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("line", SHELL)
def test_shell_examples(line: str) -> None:
    subprocess.run(["bash", "-euo", "pipefail", "-c", line], check=True, capture_output=True)
    output = re.search(r"(?:-o|>) (\S+)", line)
    if output is not None:
        name = Path(output.group(1))
        assert name.exists() or name.with_name(f"{name.stem}.0{name.suffix}").exists()


@pytest.mark.parametrize("code", PYTHON)
def test_python_examples(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102


def test_the_first_command_is_the_one_of_the_picture() -> None:
    first = re.search(r"```console\npip install -e \. && (editkit .*)\n```", README)
    assert first is not None
    subprocess.run(["bash", "-c", first.group(1)], check=True, capture_output=True)
    assert Path("samples/rocket.edit.jpg").exists()


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (page.parent / target).exists(), target


def test_each_task_has_a_page_with_a_picture_and_commands() -> None:
    pages = {guide.stem: guide.read_text(encoding="utf-8") for guide in GUIDES}
    for task in TASKS:
        assert re.search(r"!\[.+\]\(.+\.jpg\)", pages[task]), task
        assert re.search(r"```(sh|python)\n", pages[task]), task
        assert f"guides/{task}.md" in README


def test_the_readme_is_short_and_tells_its_limits_early() -> None:
    lines = README.splitlines()
    assert len(lines) <= 150
    assert lines.index("## Limits first") < lines.index("## Install, and try it")


def test_ci_runs_the_test_command() -> None:
    """The line of `.ci/run` that takes the command out of the README finds it."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    taking = next(line for line in script.splitlines() if line.startswith("command="))
    code = f"cd {ROOT}\n{taking}\necho $command"
    done = subprocess.run(["bash", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "pytest\n"
    assert "pip install -e '.[test]' && pytest\n" in README
    assert "\n$command\n" in script
    assert script.rstrip().endswith("\npytest -m slow")
