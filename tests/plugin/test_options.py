# SPDX-License-Identifier: MPL-2.0
"""Options from the command line and from Python, and what is refused before work starts."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ocrmypdf
import pytest
from ocrmypdf.exceptions import BadArgsError, MissingDependencyError, OutputFileAccessError
from plugin_pages import draw_page, image_pdf
from plugin_pages import ocrmypdf as run

from ocrmypdf_superres.plugin import hooks
from ocrmypdf_superres.plugin.option_checks import check_all, check_device, check_model, check_report, check_unknown
from ocrmypdf_superres.plugin.options import SuperresOptions, add_arguments
from ocrmypdf_superres.processes import available_cores


def test_every_field_has_an_argument_that_is_unset_by_default() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    values = vars(parser.parse_args([]))
    assert values == {f"superres_{name}": None for name in SuperresOptions.model_fields}
    given = vars(parser.parse_args(["--superres-below-dpi", "150", "--superres-use-for", "page"]))
    assert (given["superres_below_dpi"], given["superres_use_for"]) == (150.0, "page")


def test_files_in_the_home_folder_may_be_given_as_a_shell_would_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/archive")
    ours = SuperresOptions(report="~/pages.jsonl", keep="~/kept")
    assert (ours.report, ours.keep) == ("/home/archive/pages.jsonl", "/home/archive/kept")
    assert SuperresOptions(report="pages~.jsonl").report == "pages~.jsonl" and SuperresOptions().keep is None


def test_help_names_every_default() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    text = " ".join(parser.format_help().split())
    assert "Default: docsr-s2." in text
    assert "Default: 20.0." in text


@pytest.mark.parametrize(("pages", "workers"), [(None, 9), ({0}, 1), ({2, 3, 40}, 2)])
def test_the_cores_are_shared_among_the_pages_that_are_asked_for(pages: set[int] | None, workers: int) -> None:
    ours = SuperresOptions()
    options = SimpleNamespace(superres=ours, pages=pages, jobs=None, extra_attrs={})
    hooks.validate([object()] * 9, options)  # type: ignore[arg-type]
    assert ours.threads == max(1, available_cores() // min(workers, available_cores()))
    assert options.extra_attrs == {"superres_threads": ours.threads}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only where cores are told so")
def test_a_page_alone_takes_no_more_threads_than_may_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(768)))
    ours = SuperresOptions()
    hooks.validate([object()], SimpleNamespace(superres=ours, pages=None, jobs=None, extra_attrs={}))  # type: ignore[arg-type]
    assert ours.threads == 512


def test_no_field_has_the_name_of_a_field_of_ocrmypdf() -> None:
    from ocrmypdf._options import OcrOptions

    assert not set(SuperresOptions.model_fields) & set(OcrOptions.model_fields)


def test_unknown_keywords_are_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(BadArgsError, match=r"superres_modle \(did you mean superres_model\?\)"):
        check_unknown({"superres_modle": "x", "superres_model": "y", "other": 1})
    check_unknown({"superres_model": "y"})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("device", "gpu", "--superres-device was given 'gpu'"),
        ("trigger", "sometimes", "--superres-trigger was given 'sometimes'"),
        ("target_x_height", 3, "--superres-target-x-height was given 3"),
        ("max_mpixels", "many", "--superres-max-mpixels was given 'many'"),
        ("tile", 5, "--superres-tile was given 5: input should be 0 or at least 16"),
        ("speed", 3, "superres_speed"),
    ],
)
def test_python_api_refuses_by_name(name: str, value: object, said: str, tmp_path: Path, lanczos_net: Path) -> None:
    source = image_pdf(tmp_path / "in.pdf", [draw_page((100, 80), lines=1)])
    with pytest.raises(BadArgsError) as caught:
        ocrmypdf.ocr(
            source,
            tmp_path / "out.pdf",
            plugins=["ocrmypdf_superres"],
            progress_bar=False,
            **{f"superres_{name}": value},
        )
    assert said in str(caught.value)
    assert not (tmp_path / "out.pdf").exists()


def test_missing_and_damaged_models_are_refused(tmp_path: Path, lanczos_net: Path) -> None:
    import shutil

    with pytest.raises(MissingDependencyError, match="no-such-model"):
        check_model("no-such-model")
    check_model(str(lanczos_net))
    broken = tmp_path / "broken"
    shutil.copytree(lanczos_net, broken)
    graph = broken / "model.x2.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(MissingDependencyError, match="damaged"):
        check_model(str(broken))
    graph.unlink()
    with pytest.raises(MissingDependencyError, match="lacks its file"):
        check_model(str(broken))


def test_a_model_that_cannot_run_on_pages_is_refused(tmp_path: Path, lanczos_net: Path) -> None:
    import shutil

    folder = tmp_path / "whole"
    shutil.copytree(lanczos_net, folder)
    card = (folder / "card.toml").read_text(encoding="utf-8")
    without = [line for line in card.splitlines() if not line.startswith("radius =")]
    assert len(without) == len(card.splitlines()) - 1
    (folder / "card.toml").write_text("\n".join(without), encoding="utf-8")
    with pytest.raises(MissingDependencyError, match="cannot run on pages"):
        check_model(str(folder))


def test_explicit_cuda_that_is_missing_is_refused() -> None:
    check_device("auto")
    check_device("cpu")
    with pytest.raises(MissingDependencyError, match="cuda:77"):
        check_device("cuda:77")


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        ({"use_for": "page", "verify": "always"}, "no other variant"),
        ({"use_for": "page", "verify": "auto"}, None),
        ({"use_for": "page", "verify": "off"}, None),
        ({"trigger": "off", "report": "pages.jsonl"}, "--superres-report writes nothing"),
        ({"trigger": "off"}, None),
        ({"report": "pages.jsonl"}, None),
        ({"verify": "off", "engines": "rapidocr"}, "--superres-engines asks none"),
        ({"verify": "off", "engines": "auto"}, None),
    ],
)
def test_an_option_that_another_one_makes_useless_is_warned_of(
    given: dict[str, Any], warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if "rapidocr" in given.values():
        pytest.importorskip("rapidocr")
    check_all(SimpleNamespace(extra_attrs={}, superres=SuperresOptions(**given), languages=["eng"]))
    assert (warning in caplog.text) if warning else not caplog.text


def test_report_must_be_writable_and_its_own_file(tmp_path: Path) -> None:
    options = SimpleNamespace(input_file=tmp_path / "in.pdf", output_file=str(tmp_path / "out.pdf"), sidecar=None)
    check_report(None, options)
    check_report(str(tmp_path / "report.jsonl"), options)
    assert not (tmp_path / "report.jsonl").exists()
    with pytest.raises(BadArgsError, match="a file was expected"):
        check_report("-", options)
    with pytest.raises(BadArgsError, match="another file"):
        check_report(str(tmp_path / "in.pdf"), options)
    with pytest.raises(OutputFileAccessError):
        check_report(str(tmp_path / "nowhere" / "report.jsonl"), options)
    with pytest.raises(OutputFileAccessError):
        check_report(str(tmp_path), options)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--superres-device", "tpu"], 1),
        (["--superres-device", "cuda:77"], 3),
        (["--superres-model", "no-such-model"], 3),
        (["--superres-report", "/no/such/folder/report.jsonl"], 5),
    ],
)
def test_exit_codes_of_the_program(arguments: list[str], code: int, tmp_path: Path, lanczos_net: Path) -> None:
    source = image_pdf(tmp_path / "in.pdf", [draw_page((100, 80), lines=1)])
    done = run("--superres-model", lanczos_net, *arguments, source, tmp_path / "out.pdf", check=False)
    assert done.returncode == code
    assert arguments[1] in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pdf"]
