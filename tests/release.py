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

from understudy.contracts.registry import CLIENT_PROPERTIES, PROVIDER_PROPERTIES

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


@pytest.fixture(scope="module")
def testing(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and its extra for tests."""
    folder = tmp_path_factory.mktemp("testing")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    programs = folder / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", f"{wheel}[pytest]")
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


def test_what_checking_needs_is_named_where_it_is_not_installed(fresh: Path, tmp_path: Path) -> None:
    for arguments in (["--only", "unique"], ["--list"]):
        command = [str(fresh / "understudy"), "check", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

        assert 2 == done.returncode
        assert (
            "Error: No module named 'hypothesis': `pip install 'understudy[pytest]'` has what checking needs.\n"
            == done.stderr
        )


def test_the_suite_runs_in_a_folder_with_nothing_but_an_adapter_and_a_conftest(testing: Path, tmp_path: Path) -> None:
    for name in ("careful_client.py", "careful_adapter.py"):
        (tmp_path / name).write_text((ROOT / "examples" / name).read_text(encoding="utf-8"), encoding="utf-8")
    page = (ROOT / "docs" / "contract-suite.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n(import pytest\n.*?)```", page, flags=re.DOTALL)
    conftest = shown.replace("from my_adapter import Adapter", "from careful_adapter import careful as Adapter")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")

    told = run(testing / "pytest", "-W", "error", "--pyargs", "understudy.contracts.suite", cwd=tmp_path)

    passed = sum(len(one.providers) for one in CLIENT_PROPERTIES)
    skipped = 2 * len(CLIENT_PROPERTIES + PROVIDER_PROPERTIES) - passed
    assert re.search(rf"\n=+ {passed} passed, {skipped} skipped in [\d.]+s.* =+\n$", told)


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
