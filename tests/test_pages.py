"""The contract's pages in docs/ are what the contract data says."""

import subprocess
import sys
from pathlib import Path

import pytest

from understudy.contracts import catalogue
from understudy.contracts.operations import wire
from understudy.contracts.pages import page, properties_page, write
from understudy.contracts.registry import CLIENT_PROPERTIES, PROVIDER_PROPERTIES
from understudy.contracts.states import life

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ["contract-wavespeed.md", "contract-runcomfy.md", "contract-properties.md"]
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


@each_provider
def test_a_page_names_every_answer_and_every_state_with_its_words(provider: str) -> None:
    text = page(provider)
    names = [f"### `{name}`" for name in catalogue.response_names(provider)]
    names += [f"| {state.name} |" for state in life(provider).states]
    names += [f"`{word}`" for state in life(provider).states for word in state.words.values()]
    assert [] == [name for name in names if name not in text]


def test_pages_are_written_to_the_folder_asked_for(tmp_path: Path) -> None:
    assert PAGES == [path.name for path in write(tmp_path)]
    assert page("runcomfy") == (tmp_path / "contract-runcomfy.md").read_text(encoding="utf-8")


def test_the_page_of_properties_in_docs_is_current_and_names_them_all() -> None:
    text = (DOCS / "contract-properties.md").read_text(encoding="utf-8")
    assert properties_page() == text, "Run python -m understudy.contracts.pages docs"
    assert [] == [one.name for one in (*CLIENT_PROPERTIES, *PROVIDER_PROPERTIES) if f"| `{one.name}` |" not in text]


def test_the_pages_are_written_by_a_command_that_says_what_it_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "understudy.contracts.pages", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [str(tmp_path / name) for name in PAGES] == said.splitlines()
