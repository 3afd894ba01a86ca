"""The contract's pages in docs/ are what the contract data says."""

import subprocess
import sys
from pathlib import Path

import pytest

from understudy.contracts import catalogue
from understudy.contracts.operations import wire
from understudy.contracts.pages import page, write

DOCS = Path(__file__).parent.parent / "docs"
each_provider = pytest.mark.parametrize("provider", catalogue.PROVIDERS)


@each_provider
def test_the_page_in_docs_is_current(provider: str) -> None:
    told = "This page is not what the data says: run python -m understudy.contracts.pages docs"
    assert page(provider) == (DOCS / f"contract-{provider}.md").read_text(encoding="utf-8"), told


@each_provider
def test_a_page_names_every_operation_model_and_switch(provider: str) -> None:
    text = page(provider)
    names = [operation.path for operation in wire(provider).operations]
    names += catalogue.models(provider)
    names += [one.name for one in catalogue.switches() if one.name.startswith(provider)]
    assert [] == [name for name in names if f"`{name}`" not in text]


def test_pages_are_written_to_the_folder_asked_for(tmp_path: Path) -> None:
    assert ["contract-wavespeed.md", "contract-runcomfy.md"] == [path.name for path in write(tmp_path)]
    assert page("runcomfy") == (tmp_path / "contract-runcomfy.md").read_text(encoding="utf-8")


def test_the_pages_are_written_by_a_command_that_says_what_it_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "understudy.contracts.pages", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [str(tmp_path / f"contract-{provider}.md") for provider in catalogue.PROVIDERS] == said.splitlines()
