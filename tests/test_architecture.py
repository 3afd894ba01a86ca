"""Who may import whom, and when: held by reading the imports."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"hypothesis", "httpx", "PIL", "pytest", "respx", "faker", "redis", "uvicorn", "multipart"}
NEEDED = {
    "mockserver/server.py": {"uvicorn"},
    "mockserver/connection.py": {"uvicorn"},
    # pytest itself imports these, at its start; `test_who_does_not_use_it_loads_nothing_for_it` holds the rest.
    "fixtures/plugin.py": {"pytest"},
    "fixtures/session.py": {"pytest"},
    "fixtures/lending.py": {"pytest"},
    "fixtures/routing.py": {"httpx", "respx"},  # itself imported when somebody asks for it
    # What nobody imports who does not check: the suite's own modules.
    "contracts/suite.py": {"pytest"},
    "contracts/live.py": {"httpx", "pytest"},
    "contracts/spending.py": {"httpx"},
    "contracts/provider_properties.py": {"hypothesis", "PIL"},
    "contracts/trouble_properties.py": {"hypothesis"},
    "contracts/allowed.py": {"hypothesis"},
    "contracts/strategies.py": {"hypothesis"},
    "contracts/scenarios.py": {"hypothesis"},
    "contracts/searching.py": {"hypothesis"},
    "contracts/lifecycle.py": {"hypothesis"},
    "contracts/run_properties.py": {"hypothesis"},
    "contracts/part_properties.py": {"hypothesis"},
}
MODULES = [path for folder in ("mockserver", "contracts", "fixtures") for path in sorted((ROOT / folder).glob("*.py"))]
USED_BY_THE_SERVER = {"understudy.contracts.catalogue", "understudy.contracts"}
# It hands out the documents and reads none, so they stay what the server is checked against.
USED_BY = {"openapi.py": {"understudy.contracts.openapi"}}


def imports(path: Path, *, late: bool = True) -> Iterator[str]:
    """The modules that a file imports; with `late` those too that it imports inside of functions."""
    yield from _imports(ast.parse(path.read_text(encoding="utf-8")), late)


def _imports(node: ast.AST, late: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        elif late or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports(child, late)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_contract_knows_nothing_of_the_server_and_the_server_only_the_catalogue(path: Path) -> None:
    allowed = USED_BY_THE_SERVER | USED_BY.get(path.name, set())
    for name in imports(path):
        if path.parent.name == "contracts":
            assert not name.startswith(("understudy.mockserver", "understudy.fixtures"))
        if path.parent.name == "mockserver" and path.name != "cli.py":
            assert not name.startswith("understudy.fixtures")
            assert not name.startswith("understudy.contracts") or name in allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_heavy_is_imported_before_it_is_needed(path: Path) -> None:
    needed = NEEDED.get(f"{path.parent.name}/{path.name}", set())

    assert not {name.split(".")[0] for name in imports(path, late=False)} & (HEAVY - needed)


def test_the_server_can_be_had_without_what_is_heavy() -> None:
    code = "import sys, understudy.mockserver.app, understudy.mockserver.server; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not set(loaded) & (HEAVY - {"uvicorn"})


SELDOM = {
    *("control_calls", "control_http", "control_records", "events", "timekeeping", "verdict"),
    *("rule_forms", "rule_values", "directives", "docs_page", "demo", "sheet"),
}


def test_the_server_starts_without_what_most_servers_are_never_asked_for() -> None:
    code = "import sys; from understudy.mockserver.app import create_app; create_app(); print(*sys.modules)"
    # Without what measures coverage, which imports some of it.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=alone)
    loaded = done.stdout.split()

    seldom = {f"understudy.mockserver.{name}" for name in SELDOM}
    assert not set(loaded) & (seldom | {"difflib", "fractions", "tomllib", "importlib.resources"})
    assert all((ROOT / "mockserver" / f"{name}.py").exists() for name in SELDOM)


def test_the_guard_sees_imports_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "import a.b\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import no\n"
        "if x:\n    import c\ndef f():\n    from d.e import g\nclass C:\n    import h\n"
        "    def f():\n        if x:\n            import i\n"
    )

    assert ["a.b", "typing", "c", "d.e", "h", "i"] == list(imports(file))
    assert ["a.b", "typing", "c", "h"] == list(imports(file, late=False))
