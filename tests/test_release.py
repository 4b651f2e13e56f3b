# SPDX-License-Identifier: MPL-2.0
"""What is released: two wheels and a source archive, images, and workflows, as far as they can be checked here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import install_size
import pytest

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "examples" / "sample-72dpi.pdf"
MODELS = ROOT / "models"
IMAGES = sorted(ROOT.glob("examples/*/Dockerfile*"))
MOST_BYTES = 11e6
"""Of the plugin's wheel; the networks of published papers are in one of their own."""


def table(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def wheel_folders(path: Path) -> list[str]:
    """The folders of models that the project *path* puts into its wheel."""
    return [Path(name).name for name in table(path)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]]


def test_every_model_is_in_one_wheel():
    plugin, published = wheel_folders(ROOT / "pyproject.toml"), wheel_folders(MODELS / "pyproject.toml")
    assert sorted(plugin + published) == sorted(path.name for path in MODELS.iterdir() if path.is_dir())
    assert "docsr-xs" in plugin and "recognizers" in plugin
    project = table(MODELS / "pyproject.toml")["project"]
    assert table(ROOT / "pyproject.toml")["project"]["optional-dependencies"]["published"] == [project["name"]]
    assert (MODELS / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    for what in ((ROOT,), ("--wheel", MODELS)):
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, *what]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_archives_pass_twine_and_hold_models_and_licences(built):
    files = sorted(built.iterdir())
    assert [re.sub(r"-\d.*?(-py3|\.tar).*", r"\1", file.name) for file in files] == [
        "ocrmypdf_superres-py3", "ocrmypdf_superres.tar", "ocrmypdf_superres_models-py3",
    ]  # fmt: skip
    plugin, source, published = files
    assert plugin.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(plugin) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert {f"ocrmypdf_superres/_models/{name}" for name in ("docsr-xs/model.x2.onnx", "recognizers/LICENSE")} <= names
    assert "ocrmypdf_superres/py.typed" in names and not any("fsrcnn/" in name for name in names)
    assert "License-Expression: MPL-2.0" in metadata and "Project-URL: " in metadata
    with zipfile.ZipFile(published) as wheel:
        names = set(wheel.namelist())
    assert "ocrmypdf_superres_models/fsrcnn/card.toml" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "models/fsrcnn/card.toml", "models/pyproject.toml", "docs/index.md", "tests/test_release.py"} <= names
    if subprocess.run([sys.executable, "-m", "twine", "--version"], capture_output=True, check=False).returncode == 0:
        command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheels_work_in_an_empty_environment(built, tmp_path):
    (plugin,) = built.glob("ocrmypdf_superres-*.whl")
    (published,) = built.glob("ocrmypdf_superres_models-*.whl")
    try:
        install_size.download(plugin, tmp_path / "downloads")
    except RuntimeError as error:
        pytest.skip(f"no packages can be installed here: {str(error)[-200:]}")
    python = install_size.new_environment(tmp_path / "venv", tmp_path / "downloads")
    program = python.with_name("ocrmypdf-superres")

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path,
            env=install_size.plain_environment(), timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert re.fullmatch(r"ocrmypdf-superres \d+\.\d+\.\d+\s*", run(program, "--version"))
    assert json.loads(run(program, "doctor", "--json", "-"))["good"]
    (plan,) = json.loads(run(program, "plan", SAMPLE, "--json", "-"))
    assert plan["action"] == "enlarge" and plan["scale"] in (3, 4)
    run(python, "-m", "ocrmypdf", "--plugin", "ocrmypdf_superres", "-q", "--sidecar", "out.txt", SAMPLE, "out.pdf")
    assert "County Record Office" in (tmp_path / "out.txt").read_text(encoding="utf-8")
    shown = {model["name"] for model in json.loads(run(program, "models", "--json", "-"))["models"]}
    assert shown == {"docsr-s", "docsr-s2", "docsr-xs"}
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", published)
    assert "fsrcnn" in {model["name"] for model in json.loads(run(program, "models", "--json", "-"))["models"]}
    run(program, "models", "verify")
    # A user's type checker sees the annotations.
    assert "py.typed" in run(
        python, "-c", "import ocrmypdf_superres, pathlib; print(*pathlib.Path(ocrmypdf_superres.__path__[0]).iterdir())"
    )


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, with lines that go on joined, and without comments."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.partition(" ")[0], " ".join(line.partition(" ")[2].split())) for line in lines]


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_images_are_written_as_they_should_be(path):
    found = instructions(path)
    known = {"FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "ENTRYPOINT", "CMD", "USER", "LABEL"}
    assert {name for name, _ in found} <= known and next(name for name, _ in found if name != "ARG") == "FROM"
    copied = []
    for name, text in found:
        if name == "FROM":
            assert ":" in text, f"{text} names no version"
        if name == "COPY":
            *sources, target = text.split()
            assert target.startswith("/")
            for source in sources:
                assert (ROOT / source).exists(), source
            copied += sources
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(text), list)
        if name == "RUN":
            assert subprocess.run(["sh", "-n", "-c", text], check=False).returncode == 0, text
            for part in re.split(r"&&|;", text):
                words = shlex.split(part)
                if words[:2] == ["apt-get", "install"]:
                    assert {"-y", "--no-install-recommends"} <= set(words) and "rm -rf /var/lib/apt/lists/*" in text
                if "pip" in words and "install" in words:
                    assert "--no-cache-dir" in words
    project = table(ROOT / "pyproject.toml")
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], "ocrmypdf_superres"}
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"])
    for need in needed:
        assert any(need == source or need.startswith(f"{source}/") for source in copied), f"{need} is not copied"


def workflow() -> dict:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8"))


def test_the_workflow_covers_what_is_promised():
    jobs = workflow()["jobs"]
    systems = {job["runs-on"].partition("-")[0] for job in jobs.values() if "${{" not in job["runs-on"]}
    assert {"ubuntu", "macos", "windows"} <= systems
    entries = [entry for job in jobs.values() for entry in job.get("strategy", {}).get("matrix", {}).get("include", [])]
    matrices = [job.get("strategy", {}).get("matrix", {}) for job in jobs.values()]
    pythons = {python for matrix in matrices for python in matrix.get("python", [])}
    assert pythons == {"3.11", "3.12", "3.13", "3.14"}
    project = table(ROOT / "pyproject.toml")["project"]
    promised = {text.rpartition(":: ")[2] for text in project["classifiers"] if re.search(r"Python :: 3\.\d+$", text)}
    assert promised == pythons
    oldest = next(need for need in project["dependencies"] if need.startswith("ocrmypdf>=")).partition(">=")[2]
    assert {entry["ocrmypdf"] for entry in entries if "ocrmypdf" in entry} == {f"=={oldest}.*", ""}
    assert {entry["tesseract"] for entry in entries if "tesseract" in entry} == {"5.3", "5.5"}


def test_the_steps_of_the_workflow_are_scripts_that_are_there():
    for name, job in workflow()["jobs"].items():
        assert job["timeout-minutes"] <= 120 and job["steps"], name
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step), f"{name}: {step}"
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step["uses"])
                continue
            assert subprocess.run(["bash", "-n", "-c", re.sub(r"\${{.*?}}", "x", step["run"])], check=False).returncode == 0
            for script in re.findall(r"(?:sh|bash) ([\w./-]+/[\w.-]+)", step["run"]):
                assert (ROOT / script).is_file(), script
