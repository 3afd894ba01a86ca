"""The plugin beside other plugins, beside folders of the same names, and what it costs who does not use it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from projects import HEAD, run, told

HEAVY = ("starlette", "uvicorn", "httpx", "respx", "hypothesis", "PIL", "anyio", "orjson", "understudy.mockserver")

MANY = """
@pytest.mark.parametrize("number", range(400))
def test_it(mock_wavespeed, number):
    mock_wavespeed.clock.set("manual")
    job_id = submit(mock_wavespeed)
    assert poll(mock_wavespeed, job_id) == "created"
    mock_wavespeed.advance(30)
    assert poll(mock_wavespeed, job_id) == "completed"
    assert [job.id for job in mock_wavespeed.jobs] == [job_id]
    assert [one.job for one in mock_wavespeed.journal] == [job_id] * 3
"""

# One connection for a worker: a new one for each request would be most of what is measured.
POOLED = (
    HEAD.replace("httpx.post(", "CLIENT.post(").replace("httpx.get(", "CLIENT.get(") + "\nCLIENT = httpx.Client()\n"
)


def apart(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Runs pytest in a process of its own, with no plugins but those that the arguments name, and ours."""
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:respx", *arguments)


def test_four_workers_do_not_see_each_other(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=POOLED + MANY)
    result = apart(pytester, "-n", "4", "-q", "-p", "no:asyncio", "-p", "no:randomly", "--understudy-seed=7")

    result.assert_outcomes(passed=400)


def test_workers_have_the_seed_of_the_run_and_servers_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=HEAD
        + """
@pytest.mark.parametrize("number", range(4))
def test_it(mock_wavespeed, number):
    with open("seen", "a") as seen:
        seen.write(f"{os.environ['PYTEST_XDIST_WORKER']} {mock_wavespeed.base_url}\\n")
    assert False
"""
    )
    result = apart(pytester, "-n", "2", "-p", "no:asyncio", "-p", "no:randomly")

    result.assert_outcomes(failed=4)
    seeds = set(re.findall(r"--understudy-seed=(\d+)", told(result)))
    assert 1 == len(seeds), told(result)
    seen = {tuple(line.split()) for line in (pytester.path / "seen").read_text().splitlines()}
    assert len({worker for worker, _ in seen}) == len({origin for _, origin in seen}) == len(seen)


def test_workers_take_ports_side_by_side(pytester: pytest.Pytester) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    pytester.makepyfile(
        test_it=HEAD
        + f"""
def test_it(mock_wavespeed):
    number = int(os.environ["PYTEST_XDIST_WORKER"][2:])
    assert mock_wavespeed.base_url == f"http://127.0.0.1:{{{port} + number}}"
"""
    )
    result = apart(pytester, "-n", "1", f"--understudy-port={port}", "-p", "no:asyncio", "-p", "no:randomly")

    result.assert_outcomes(passed=1)


def test_async_tests_of_asyncio_and_anyio_use_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        test_asyncio=HEAD
        + """
async def test_it(mock_wavespeed, mock_runcomfy_in_process):
    async with httpx.AsyncClient(headers={"Authorization": "Bearer " + mock_wavespeed.api_key}) as client:
        (await client.post(mock_wavespeed.base_url + MODEL, json=INPUTS)).raise_for_status()
        answer = await client.get("https://model-api.runcomfy.net/v1/models")
        assert answer.status_code == 200
    assert mock_wavespeed.jobs.one.state == "queued"
""",
        test_anyio=HEAD
        + """
@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
async def test_it(mock_wavespeed, anyio_backend):
    async with httpx.AsyncClient(transport=mock_wavespeed.transport(), headers={"Authorization": "Bearer x"}) as client:
        (await client.post("https://api.wavespeed.ai" + MODEL, json=INPUTS)).raise_for_status()
    assert mock_wavespeed.jobs.one.state == "queued"
""",
    )
    apart(pytester, "test_asyncio.py", "-p", "no:randomly").assert_outcomes(passed=1)
    apart(pytester, "test_anyio.py", "-p", "no:asyncio", "-p", "no:randomly").assert_outcomes(passed=2)


def test_what_is_drawn_does_not_depend_on_the_order_of_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=HEAD
        + """
@pytest.mark.parametrize("number", range(5))
def test_it(mock_wavespeed, number):
    print("drawn", number, submit(mock_wavespeed))
"""
    )
    drawn = []
    for order in (1, 2):
        result = apart(pytester, "-s", "-p", "no:asyncio", f"--randomly-seed={order}", "--understudy-seed=7")
        result.assert_outcomes(passed=5)
        drawn.append(re.findall(r"drawn (\d) (\w+)", told(result)))

    assert drawn[0] != drawn[1]
    assert sorted(drawn[0]) == sorted(drawn[1])


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(mock_wavespeed): pass")
    result = apart(pytester, "-p", "no:understudy", "-p", "no:asyncio", "-p", "no:randomly")

    result.assert_outcomes(errors=1)
    assert "fixture 'mock_wavespeed' not found" in told(result)
    assert "seed" not in told(result)


def test_a_repository_may_have_folders_of_the_same_names(pytester: pytest.Pytester) -> None:
    for name in ("fixtures", "contracts", "mockserver"):
        (pytester.path / name).mkdir()
        (pytester.path / name / "__init__.py").write_text(f"NAME = 'their own {name}'\n")
    (pytester.path / "fixtures" / "plugin.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef theirs():\n    return 'theirs'\n"
    )
    pytester.makeconftest("pytest_plugins = ['fixtures.plugin']")
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(
        test_it="""
        import contracts, fixtures, mockserver

        def test_it(mock_wavespeed, theirs):
            assert [module.NAME for module in (contracts, fixtures, mockserver)] == [
                "their own contracts", "their own fixtures", "their own mockserver"
            ]
            assert theirs == "theirs" and not mock_wavespeed.jobs
        """
    )
    result = pytester.runpython_c(
        "import sys, pytest; sys.exit(pytest.main(['-p', 'no:asyncio', '-p', 'no:randomly']))"
    )

    result.assert_outcomes(passed=1)


def loaded(plugin: str, folder: Path) -> set[str]:
    """The modules that a run of pytest has loaded at its end, with or without our plugin and with no other one."""
    (folder / "test_it.py").write_text("def test_it(): pass\n")
    arguments = ["-p", plugin] if plugin else []
    code = textwrap.dedent(
        f"""
        import sys, pytest
        status = pytest.main(["-q", "-p", "no:cacheprovider", *{arguments!r}, "test_it.py"])
        print("loaded", *sys.modules)
        sys.exit(status)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return set(re.findall(r"^loaded (.*)$", done.stdout, re.MULTILINE)[0].split())


def test_who_does_not_use_it_loads_nothing_for_it(tmp_path: Path) -> None:
    ours = loaded("understudy.fixtures.plugin", tmp_path) - loaded("", tmp_path)

    assert {"understudy.fixtures.plugin", "understudy.fixtures.session"} <= ours
    assert not [name for name in ours for heavy in HEAVY if name == heavy or name.startswith(heavy + ".")]
    # What is not our own and comes with us all the same.
    assert not {name for name in ours if not name.startswith("understudy")} - {"understudy"}


def test_all_names_of_the_package_are_there_when_asked_for() -> None:
    import understudy.fixtures

    for name in understudy.fixtures.__all__:
        assert name == getattr(understudy.fixtures, name).__name__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = understudy.fixtures.nothing


def test_what_a_provider_hands_out_can_be_named_in_annotations() -> None:
    import understudy.fixtures
    from understudy.fixtures import jobs, values

    handed_out = {
        name
        for module in (jobs, values)
        for name, one in vars(module).items()
        if isinstance(one, type) and one.__module__ == module.__name__
    }
    assert handed_out <= {*understudy.fixtures.__all__}, handed_out - {*understudy.fixtures.__all__}


def test_it_is_documented_where_pytest_documents(pytester: pytest.Pytester) -> None:
    options, marker, fixtures = (told(run(pytester, asked)) for asked in ("--help", "--markers", "--fixtures"))

    for name in ("--understudy-seed=SEED", "--understudy-block-network=BLOCK_NETWORK", "understudy_latency (string)"):
        assert name in options
    assert "@pytest.mark.understudy(seed=…, latency='5s'," in marker
    for name in ("understudy_server [session scope]", "mock_wavespeed_in_process", "webhook_receiver", "block_network"):
        assert name in fixtures
