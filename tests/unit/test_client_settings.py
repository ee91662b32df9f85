"""Where the client's settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from msearch_client import LocalError
from msearch_client._settings import config_path, read_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('server = "filed:1"\ntimeout_s = 7\n', encoding="utf-8")
    return path


def test_an_argument_beats_a_variable_beats_the_file_beats_the_default(config: Path, tmp_path: Path) -> None:
    variables = {"MSEARCH_CONFIG": str(config), "MSEARCH_SERVER": "varied:2"}
    argument = read_settings("given:3", 5.0, variables)
    assert (argument.server.value, argument.server.origin, argument.timeout_s.value) == ("given:3", "argument", 5.0)
    variable = read_settings(environment=variables)
    assert (variable.server.value, variable.server.origin) == ("varied:2", "variable MSEARCH_SERVER")
    assert (variable.timeout_s.value, variable.timeout_s.origin) == (7.0, f"file {config}")
    default = read_settings(environment={"XDG_CONFIG_HOME": str(tmp_path / "none"), "APPDATA": str(tmp_path / "none")})
    assert (default.server.value, default.timeout_s.value) == ("localhost:50051", 30.0)


def test_the_config_file_lies_in_the_folder_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert config_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/msearch/config.toml")
    assert config_path({}) == Path.home() / ".config/msearch/config.toml"
    monkeypatch.setattr("sys.platform", "darwin")
    assert config_path({}) == Path.home() / "Library/Application Support/msearch/config.toml"
    monkeypatch.setattr("sys.platform", "win32")
    assert config_path({"APPDATA": "/roaming"}) == Path("/roaming/msearch/config.toml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server = ", "is not TOML"),
        ("sever = 'a:1'", "unknown key 'sever'"),
        ("server = 5", "server must be a string"),
        ("timeout_s = 'soon'", "timeout_s must be a number of seconds"),
        ("timeout_s = -1", "timeout_s must be a number of seconds"),
    ],
)
def test_a_wrong_config_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LocalError, match=problem) as caught:
        read_settings(environment={"MSEARCH_CONFIG": str(path)})
    assert str(path) in caught.value.message


def test_a_config_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="does not exist"):
        read_settings(environment={"MSEARCH_CONFIG": str(tmp_path / "none.toml")})


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(LocalError, match="variable MSEARCH_TIMEOUT_S"):
        read_settings(environment={"MSEARCH_TIMEOUT_S": "nan"})
