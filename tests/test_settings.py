"""Settings: where they come from, which source wins, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.mockserver.durations import DurationRange
from understudy.mockserver.settings import Settings, SettingsError, load, unknown_variables


def refusal(
    flags: dict[str, str | None] | None = None, environment: dict[str, str] | None = None, path: str = ""
) -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags or {}, environment or {}, path or None)
    return str(caught.value)


def test_without_any_source_the_defaults_hold() -> None:
    assert Settings() == load({"queue_time": None}, {}, None)


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text('queue_time = "1s"\nrun_time = "1s"\nseed = 1\n')
    environment = {"UNDERSTUDY_QUEUE_TIME": "2s", "UNDERSTUDY_RUN_TIME": "2s"}

    settings = load({"queue_time": "3s"}, environment, str(file))

    assert DurationRange(3000, 3000) == settings.queue_time
    assert DurationRange(2000, 2000) == settings.run_time
    assert settings.seed == 1


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text("failure_rate = 0.25\nbody_limit = 1000\n")

    settings = load({}, {"UNDERSTUDY_CONFIG": str(file)}, None)

    assert (0.25, 1000) == (settings.failure_rate, settings.body_limit)


def test_switches_of_all_sources_add_up(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text('[assume]\n"wavespeed.cancel" = true\n"wavespeed.size" = "llms"\n"runcomfy.auth_error" = 400\n')

    settings = load({"assume": "wavespeed.size=catalogue"}, {"UNDERSTUDY_ASSUME": "wavespeed.nsfw=flags"}, str(file))

    assert {
        "wavespeed.cancel": "on",
        "wavespeed.size": "catalogue",
        "runcomfy.auth_error": "400",
        "wavespeed.nsfw": "flags",
    } == settings.assume


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "half", "inf"])
def test_a_rate_outside_0_to_1_is_refused_by_name_and_value(text: str) -> None:
    assert f"failure_rate (from --failure-rate): {text!r} is not a rate: expected a number from 0 to 1." == refusal(
        {"failure_rate": text}
    )


@pytest.mark.parametrize("text", ["0", "1", "0.5"])
def test_a_rate_from_0_to_1_is_taken(text: str) -> None:
    assert float(text) == load({"nsfw_rate": text}, {}, None).nsfw_rate


def test_a_malformed_duration_is_refused_by_name_source_and_value() -> None:
    assert (
        "queue_time (from UNDERSTUDY_QUEUE_TIME): 'soon' is not a duration: expected a number and a unit "
        "(ms, s, m or h), such as 500ms or 2s, of at most a year."
    ) == refusal(environment={"UNDERSTUDY_QUEUE_TIME": "soon"})


def test_an_unknown_key_in_the_file_is_refused_with_the_nearest_that_exists(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text("falure_rate = 0.5\n")

    assert refusal(path=str(file)).startswith(
        f"{file}: there is no setting 'falure_rate'. Did you mean 'failure_rate'? Settings are: host, port, queue_time,"
    )


def test_a_key_unlike_any_setting_is_refused_without_a_guess(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text("zzz = 1\n")

    assert refusal(path=str(file)).startswith(f"{file}: there is no setting 'zzz'. Settings are: ")


def test_a_file_that_is_not_toml_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text("this is not TOML")

    assert refusal(path=str(file)).startswith(f"The settings file {str(file)!r} cannot be read: ")


def test_a_file_that_is_not_there_is_refused_with_its_name() -> None:
    assert refusal(path="nowhere.toml").startswith("The settings file 'nowhere.toml' cannot be read: ")


def test_a_value_of_a_type_that_no_setting_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text("seed = [1]\n")

    assert f"seed (from {file}): [1] is a list: expected text or a number." == refusal(path=str(file))


@pytest.mark.parametrize(("text", "allowed"), [("-1", False), ("0", True), ("65535", True), ("65536", False)])
def test_a_port_is_a_whole_number_from_0_to_65535(text: str, allowed: bool) -> None:
    if allowed:
        assert int(text) == load({"port": text}, {}, None).port
    else:
        assert f"port (from --port): {text!r} is not allowed: expected a whole number from 0 to 65535." == refusal(
            {"port": text}
        )


@pytest.mark.parametrize(("text", "size"), [("10", 10), ("2 kB", 2000), ("3MiB", 3 * 2**20), ("1gb", 10**9)])
def test_a_size_is_bytes_or_a_number_with_a_unit(text: str, size: int) -> None:
    assert size == load({"body_limit": text}, {}, None).body_limit


def test_another_size_is_refused_with_the_units() -> None:
    assert (
        "body_limit (from --body-limit): '3 miles' is not a size: expected bytes, or a number with kB, MB, GB, KiB, "
        "MiB or GiB."
    ) == refusal({"body_limit": "3 miles"})


def test_keys_are_the_lines_of_a_file_without_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\none\n\n  two  \n")

    assert frozenset({"one", "two"}) == load({"keys": str(file)}, {}, None).keys


def test_a_file_without_keys_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# none\n")

    assert f"keys (from --keys): {str(file)!r} lists no keys: expected one API key a line." == refusal(
        {"keys": str(file)}
    )


def test_keys_that_cannot_be_read_are_refused_with_the_file() -> None:
    assert refusal({"keys": "nowhere"}).startswith("keys (from --keys): 'nowhere' cannot be read as a list of keys: ")


def test_an_unknown_switch_is_refused_with_the_nearest_that_exists() -> None:
    assert (
        "assume (from --assume): there is no switch 'wavespeed.cancell': did you mean 'wavespeed.cancel'? "
        "`understudy switches` lists them all."
    ) == refusal({"assume": "wavespeed.cancell"})


def test_a_switch_has_only_the_values_that_are_listed() -> None:
    assert ("assume (from --assume): switch 'wavespeed.nsfw' has no value 'on': it takes fails, flags.") == refusal(
        {"assume": "wavespeed.nsfw"}
    )


def test_variables_that_are_no_settings_are_told() -> None:
    environment = {"UNDERSTUDY_SEED": "1", "UNDERSTUDY_SEDE": "1", "UNDERSTUDY_CONFIG": "x", "HOME": "/"}

    assert ["UNDERSTUDY_SEDE"] == unknown_variables(environment)


def test_a_setting_of_few_values_is_refused_with_all_of_them() -> None:
    assert "black" == load({"flagged_images": "black"}, {}, None).flagged_images
    assert "flagged_images (from --flagged-images): 'blue' is not allowed: expected marked or black." == refusal(
        {"flagged_images": "blue"}
    )


def test_a_switch_in_a_file_may_be_written_with_or_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text('[assume]\nwavespeed.cancel = true\nwavespeed.nsfw = "flags"\n"wavespeed.input_echo" = false\n')

    assert {
        "wavespeed.cancel": "on",
        "wavespeed.nsfw": "flags",
        "wavespeed.input_echo": "off",
    } == load({}, {}, str(file)).assume


def test_an_empty_address_is_refused() -> None:
    assert (
        "host (from --host): the address is empty: expected one of this machine's, such as 127.0.0.1, or 0.0.0.0 for "
        "all."
    ) == refusal({"host": " "})


def test_keys_may_follow_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes("\ufeffschl\u00fcssel\n".encode())

    assert frozenset({"schl\u00fcssel"}) == load({"keys": str(file)}, {}, None).keys
