# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from ocrmypdf_superres.archive.run import Run
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest, SettingsRow
from ocrmypdf_superres.archive.tasks import FileResult, Kind, State
from ocrmypdf_superres.cli import build_parser, main
from ocrmypdf_superres.commands.archive.command import COMMANDS
from ocrmypdf_superres.commands.archive.run import read_run_settings
from ocrmypdf_superres.errors import ArchiveError


@pytest.fixture(scope="module")
def damaged_run(tmp_path_factory):
    """The folder of a run, with ``in`` and ``out``, whose manifest has lost pages in its middle."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "in").mkdir()
    layout, given = Layout(folder / "out"), Settings(ocrmypdf={"output_type": "pdf"}, superres={"trigger": "off"})
    layout.make()
    layout.settings.write_text(given.toml())
    settings = given.hash()
    with Manifest(layout.manifest, write=True) as manifest:
        manifest.set_input_folder(folder / "in")
        manifest.begin_session(SettingsRow(settings, given.toml(), "docsr-s2", ""), "host", {})
        with manifest.transaction():
            for number in range(3000):
                row = manifest.add(f"{number}.pdf", Kind.PDF, 1, 1)
                manifest.finish(FileResult(row, State.FAILED, "damaged", "It is damaged. " * 5), settings)
        manifest.db.execute("UPDATE files SET state = 'done' WHERE number % 2")
    content = bytearray(layout.manifest.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 80_000] = b"\xaa" * 80_000
    layout.manifest.write_bytes(content)
    return folder


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_damaged_manifest_is_one_sentence(damaged_run, tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv("COLUMNS", "300")
    given = {
        "run": (damaged_run / "in", damaged_run / "out"),
        "watch": (damaged_run / "in", damaged_run / "out"),
        "report": (damaged_run / "out", "-o", tmp_path / "report.html"),
    }
    assert main(["archive", command, *map(str, given.get(command, (damaged_run / "out",)))]) == 1
    said = capsys.readouterr().err
    assert "Error:" in said and "from a backup" in said


def test_an_error_is_not_hidden_by_that_of_the_manifest(tmp_path):
    layout = Layout(tmp_path / "out")
    (tmp_path / "in").mkdir()

    def lose_the_table():
        with closing(sqlite3.connect(layout.manifest)) as database:
            database.execute("DROP TABLE files")
        raise ArchiveError("There are no workers.")

    with pytest.raises(ArchiveError, match="no workers"):
        Run(tmp_path / "in", layout.out, Settings(), lose_the_table).run()


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
