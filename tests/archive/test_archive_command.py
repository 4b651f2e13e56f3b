# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest

from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.cli import build_parser, main
from ocrmypdf_superres.commands.archive.command import COMMANDS
from ocrmypdf_superres.commands.archive.run import read_run_settings


def settings(*arguments):
    return read_run_settings(build_parser("archive").parse_args(["archive", "run", *map(str, arguments)]))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["archive", command, "--help"])
    assert stopped.value.code == 0 and "OUT" in capsys.readouterr().out


def test_the_command_line_goes_before_the_file_and_that_before_the_last_run(tmp_path):
    out, file = tmp_path / "out", tmp_path / "my.toml"
    assert settings("in", out) == Settings()
    layout = Layout(out)
    layout.make()
    layout.settings.write_text(Settings(languages=("pol",), workers=3).toml())
    assert settings("in", out) == Settings(languages=("pol",), workers=3)
    file.write_text('languages = ["fra"]\n[ocrmypdf]\ndeskew = true\nmode = "force"')
    assert settings("in", out, "--settings", file) == Settings(languages=("fra",), ocrmypdf={"deskew": True, "mode": "force"})
    given = settings(
        "in",
        out,
        "--settings",
        file,
        "-l",
        "deu+eng",
        "--outputs",
        "pdf, alto",
        "--mode",
        "skip",
        "--jobs",
        1,
        "--image-dpi",
        72,
    )
    assert given == Settings(("deu", "eng"), ("pdf", "alto"), 72, {"deskew": True, "mode": "skip"}, workers=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nosuch", "out"), "not a folder"),
        (("run", ".", "."), "outputs would become inputs"),
        (("run", ".", "out", "--outputs", "docx"), "docx"),
        (("run", ".", "out", "--settings", "nosuch.toml"), "nosuch.toml"),
        (("run", ".", "out", "-l", "xyz"), "xyz"),
        (("run", ".", "out", "-l", ""), "languages.0 = ''"),
        (("run", ".", "out", "--outputs", ""), "outputs.0 = ''"),
        (("run", ".", "out", "--mode", "frob"), "cannot be used or not together: 'frob' is not a valid"),
        (("status", "."), "holds no run"),
    ],
)
def test_what_cannot_start_says_why(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["archive", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
