"""What ships: sdist and wheel, and the wheel in a fresh environment far from the tree. `make release` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("mockserver", "contracts", "fixtures")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from it, as an index would get them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", folder / "venv")
    programs = folder / "venv" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return programs


def shipped() -> set[str]:
    """Every file of the three folders that git knows, under the name it is installed by."""
    listed = run("git", "ls-files", *FOLDERS).split()
    return {f"understudy/{name}" for name in listed if not name.endswith(".pyc")}


def test_the_wheel_holds_every_file_of_the_three_folders_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert shipped() == names


def test_the_sdist_holds_what_the_wheel_is_built_from(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {name.removeprefix("understudy/") for name in shipped()} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "conftest.py"} <= names


def test_the_wheel_asks_for_nothing_heavy(fresh: Path) -> None:
    installed = run(fresh / "python", "-m", "pip", "list", "--format", "freeze").lower()

    assert "understudy==" in installed
    for name in ("pytest", "hypothesis", "respx", "faker", "redis"):
        assert f"\n{name}==" not in installed


def test_the_command_works_far_from_the_tree(fresh: Path, tmp_path: Path) -> None:
    shown = run(fresh / "understudy", "demo", "-o", tmp_path / "images", cwd=tmp_path)

    assert "created > processing > completed" in shown
    assert len(list((tmp_path / "images").iterdir())) == 7


def test_a_repository_may_have_folders_of_the_same_names(fresh: Path, tmp_path: Path) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f"NAME = 'their own {folder}'\n")
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""
        import contracts, fixtures, mockserver
        import understudy.contracts, understudy.fixtures, understudy.mockserver.app
        print(contracts.NAME, fixtures.NAME, mockserver.NAME, sep=", ")
        """)
    )

    assert "their own contracts, their own fixtures, their own mockserver\n" == run(
        fresh / "python", "program.py", cwd=tmp_path
    )


def test_a_project_elsewhere_runs_the_tests_of_the_readme(wheel: Path, tmp_path: Path) -> None:
    programs = tmp_path / "venv" / "bin"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[pytest,respx]")
    project = tmp_path / "project"
    for folder in FOLDERS:  # as a project may have them
        (project / folder).mkdir(parents=True)
        (project / folder / "__init__.py").touch()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tests,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "def test_" in block]
    (project / "test_readme.py").write_text(tests)

    assert "5 passed" in run(programs / "python", "-m", "pytest", "-W", "error", cwd=project)
    assert "5 passed" in run(programs / "pytest", "-W", "error", cwd=project)


def test_it_is_typed_for_those_who_check_types() -> None:
    for folder in FOLDERS:
        assert (ROOT / folder / "py.typed").exists()
