# SPDX-License-Identifier: MPL-2.0
"""The wheel by itself: it does the plugin's job on a CPU, brings little, and says what the rest needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import install_size
import pytest
from PIL import Image

from ocrmypdf_superres.cli import COMMANDS
from ocrmypdf_superres.commands import doctor
from ocrmypdf_superres.extras import EXTRAS

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "examples" / "sample-72dpi.pdf"
MOST_BYTES = 250e6
ABSENT = ("torch", "safetensors", "onnx", "scipy", "skimage", "matplotlib", "jinja2", "dask", "lightning", "tensorboard")


@pytest.fixture(scope="module")
def light(tmp_path_factory) -> tuple[Path, int]:
    """A fresh environment's Python with the wheel and no extras, and the bytes downloaded for it."""
    folder = tmp_path_factory.mktemp("light")
    wheel = install_size.build_wheel(folder / "wheel")
    try:
        downloaded = install_size.download(wheel, folder / "downloads")
    except RuntimeError as error:
        pytest.skip(f"no packages can be installed here: {str(error)[-200:]}")
    return install_size.new_environment(folder / "venv", folder / "downloads"), downloaded


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[>]", requirement)[0] for requirement in requirements}


def main_job(python: Path, folder: Path) -> None:
    """Run the quick start's job with *python*, and check that the page was enlarged and read."""
    report = folder / "report.jsonl"
    options = ("-q", "--output-type", "pdf", "--sidecar", folder / "out.txt", "--plugin", "ocrmypdf_superres")
    done = run(python, "-m", "ocrmypdf", *options, "--superres-report", report, SAMPLE, folder / "out.pdf", cwd=folder)
    assert done.returncode == 0, done.stderr
    record = json.loads(report.read_text(encoding="utf-8"))
    assert record["action"] == "enlarged" and "onnxruntime" in record["device"], record
    assert "County Record Office" in (folder / "out.txt").read_text(encoding="utf-8")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, cwd=cwd, env=install_size.plain_environment()
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_plain_install_does_the_main_job_without_torch(light, tmp_path):
    python, _ = light
    for package in ABSENT:
        assert run(python, "-c", f"import {package}", cwd=tmp_path).returncode == 1, f"{package} was installed"
    done = run(python.with_name("ocrmypdf-superres"), "doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    main_job(python, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the lowest versions have no wheels for this Python")
def test_the_lowest_versions_that_are_promised_do_the_main_job(tmp_path):
    wheel = install_size.build_wheel(tmp_path / "wheel")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = [requirement.replace(">=", "==") for requirement in project["dependencies"]]
    try:
        install_size.download(wheel, tmp_path / "downloads", *lowest)
    except RuntimeError as error:
        pytest.skip(f"no packages can be installed here: {str(error)[-200:]}")
    main_job(install_size.new_environment(tmp_path / "venv", tmp_path / "downloads"), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("train", "recipe.toml", "--data", "."), "train"),
        (("report", "results.json"), "eval"),
        (("archive", "run", "in", "out"), "archive"),
        (("lines", "docsr-s2", "--sets", "."), "train,eval"),
        (("recognizer", "compare"), "train"),
    ],
)
def test_a_command_whose_extra_is_missing_says_the_line_to_type(light, tmp_path, command, extra):
    python, _ = light
    folder = tmp_path / "pages"
    folder.mkdir()
    Image.new("L", (400, 300), 255).save(folder / "page.png", dpi=(72, 72))
    (folder / "page.gt.txt").write_text("text\n", encoding="utf-8")
    program = python.with_name("ocrmypdf-superres")
    if command[0] == "report":
        done = run(program, "evaluate", "--data", "pages", "--methods", "as-is", "plugin", "--json", "results.json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = run(program, *command, cwd=tmp_path)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1 and "Traceback" not in said, said
    assert f"pip install 'ocrmypdf-superres[{extra}]'" in said


def test_the_wheel_and_the_source_archive_hold_the_tuned_networks(tmp_path):
    """Those of Tesseract and that of RapidOCR."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT]
    done = subprocess.run(list(map(str, build)), capture_output=True, text=True, check=False)
    if "No module named build" in done.stderr:
        pytest.skip("the package build is not installed")
    assert done.returncode == 0, done.stderr
    some = {
        "recognizers": {"LICENSE", "eng/network.lstm", "eng/network.toml"},
        "rapidocr": {"LICENSE", "ppocr-latin/model.int8.onnx"},
    }
    for folder, least in some.items():
        networks = ROOT / "models" / folder
        expected = {path.relative_to(networks).as_posix() for path in networks.rglob("*") if path.is_file()}
        assert least <= expected
        with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
            inside = f"ocrmypdf_superres/_models/{folder}/"
            assert {name.removeprefix(inside) for name in wheel.namelist() if name.startswith(inside)} == expected
        with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
            within = f"/models/{folder}/"
            assert {name.partition(within)[2] for name in archive.getnames() if within in name} == expected


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_explicit_gpu_without_torch_is_an_error_that_names_the_extra(light, tmp_path):
    python, _ = light
    options = ("-q", "--plugin", "ocrmypdf_superres", "--superres-device", "cuda")
    done = run(python, "-m", "ocrmypdf", *options, SAMPLE, tmp_path / "out.pdf", cwd=tmp_path)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "pip install 'ocrmypdf-superres[gpu]'" in " ".join(done.stderr.split())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_plain_install_is_small(light):
    python, downloaded = light
    found = install_size.sizes_of(python)
    print(install_size.table(found, downloaded))
    assert downloaded < MOST_BYTES
    assert sum(one.size for one in found if not one.of_ocrmypdf) < MOST_BYTES


def test_the_version_is_written_once_and_extras_are_those_that_messages_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project and "version" in project["dynamic"]
    named = {extra for _, _, extras in COMMANDS.values() for extra in extras.split(",") if extra}
    assert named <= set(project["optional-dependencies"])
    core = names_of(project["dependencies"])
    assert not core & set(ABSENT)
    assert core == set(doctor.PACKAGES)
    extras = project["optional-dependencies"]
    for extra, (_, packages) in EXTRAS.items():
        assert set(packages) == names_of(extras[extra]) - {"ocrmypdf-superres"}


def test_the_documentation_has_a_size_for_each_core_package():
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    section = page[page.index("## What a plain install brings") :]
    for name in ("ocrmypdf-superres", *doctor.PACKAGES):
        assert re.search(rf"^\| .*\b{re.escape(name)}\b.* \| \d+\.\d \|", section, re.MULTILINE), name


def test_the_readme_is_short_and_its_links_lead_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        assert target.startswith("https://") or (ROOT / target).exists(), target
