"""What the documents show is what runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from live import Live
from talking import QUEUE, RUN, talking

from understudy.mockserver.settings import load

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_the_readme_opens_with_an_example_that_works() -> None:
    example = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")

    assert f"```python\n{example}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.fullmatch(r"\['http://127\.0\.0\.1:\d+/output/\S+\.jpeg', '\S+\.jpeg'\]\n", run("examples/quickstart.py"))


def test_the_tests_of_the_readme_are_those_that_run() -> None:
    tests = (ROOT / "examples" / "test_five.py").read_text(encoding="utf-8")

    assert f"```python\n{tests}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert 5 == tests.count("\ndef test_")


def test_the_examples_of_the_guide_to_pytest_are_those_that_run() -> None:
    guide = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    tests = (ROOT / "examples" / "test_guide.py").read_text(encoding="utf-8")

    assert set(re.findall(r"^def test_\w+", tests, re.MULTILINE)) == set(
        re.findall(r"^def test_\w+", "".join(shown), re.MULTILINE)
    )
    for example in shown:
        assert example in tests


def test_the_runcomfy_client_is_a_program_too(live: Live) -> None:
    # Its clock stands still, so the example would poll for ever: the time it needs is let pass beforehand.
    live.server.call(live.store.set_clock("any", lambda clock, wall: clock.at_rate(1000, wall)))

    assert 3 == len(run("examples/runcomfy_client.py", live.origin).splitlines())


def test_the_example_of_the_control_api_is_a_program(live: Live) -> None:
    lines = run("examples/control.py", live.origin).splitlines()

    assert "after 30 s: processing completed" == lines[0]
    assert ["then: the first job failed"] == lines[1:2]
    assert "in the end: failed completed" == lines[2]
    assert "exchanges: 6" == lines[3]


def test_the_calls_that_the_readme_shows_make_it_happen(live: Live) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    calls = re.findall(r"^curl -s \$control/(\S+) (?:-X (\w+) )?.*?-d '(.*?)'", text, flags=re.MULTILINE)
    assert 3 == len(calls)
    for path, method, body in calls[:2]:
        live.client.request(method or "POST", f"/_understudy/{path}", content=body).raise_for_status()
    job = live.submit_wavespeed()["id"]
    live.client.post(f"/_understudy/{calls[2][0]}", content=calls[2][2]).raise_for_status()
    told = live.client.get(f"/api/v3/predictions/{job}/result").json()["data"]
    assert ("failed", "Out of paint") == (told["status"], told["error"])


def test_the_models_that_the_documents_show_are_served() -> None:
    file = ROOT / "examples" / "own_models.json"
    shown = f"```json\n{file.read_text(encoding='utf-8')}```"
    assert shown in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    own = load({"models": str(file)}, {}, None).models
    assert ["jpeg", "jpeg", "png"] == [model.output_format for model in own]
    with talking(models=own) as talk:
        edit = {"prompt": "A shoe", "image": "https://example.com/shoe.png", "seed": None}
        prediction = talk.data("/acme/dream/v1", {"prompt": "A shoe"})["id"]
        requests = [
            talk.post("/v1/models/acme/dream", {"prompt": "A shoe", "num_images": 2})["request_id"],
            talk.post("/v1/models/acme/dream-edit", edit)["request_id"],
        ]
        talk.advance(QUEUE + RUN)
        costs = [talk.get(f"/v1/requests/{one}/result?include_cost=true")["cost"] for one in requests]
        assert [0.06, 0] == costs
        assert 1 == len(talk.get(f"/api/v3/predictions/{prediction}")["data"]["outputs"])
        assert "At most 10 MB." in talk.client.get("/_understudy/docs/runcomfy").text


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_curl_example_of_the_readme_is_taken(live: Live) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    path, body = re.findall(r"http://127\.0\.0\.1:8787(/v1/models/\S+) .*?-d '(.*?)'", text, flags=re.DOTALL)[0]

    answer = live.client.post(path, content=body.encode(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 200


def test_the_settings_of_the_readme_exist() -> None:
    listed = run("-m", "understudy.mockserver", "serve", "--help")

    for flag in re.findall(r"`(--[a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert flag == "--config" or flag in listed
