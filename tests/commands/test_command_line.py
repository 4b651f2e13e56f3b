# SPDX-License-Identifier: MPL-2.0
"""One vocabulary over all commands: the same words for the same options, defaults and examples in every help text."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator

import pytest

pytest.importorskip("torch")
pytest.importorskip("jinja2")
pytest.importorskip("dask")

from ocrmypdf_superres.cli import COMMANDS, build_parser
from ocrmypdf_superres.commands.shared.examples import EXAMPLES

SHORT = {"-l": "--language", "-o": "--output", "-v": "--verbose", "-h": "--help"}
# Words of other commands for the same things.
BANNED = {"--lang", "--out", "--workers", "--gpu", "--languages", "--processes", "--random-seed", "--folder", "--as-json"}
EVERYWHERE = {
    "--language": {"eng", None},
    "--device": {"auto"},
    "--data": None,
    "--output": None,
    "--jobs": {2, None},
    "--seed": {0, 1, None},
    "--model": {"docsr-s2", None},
    "--json": {None},
}
MOST_LINES = 74


def leaves(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    getattr(parser, "fill", lambda: None)()
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from leaves(inner, f"{path} {name}".strip())


PARSERS = {path: parser for path, parser in leaves(build_parser(*COMMANDS), "") if path}


def shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS and action.option_strings]


def options() -> Iterator[tuple[str, argparse.Action, str]]:
    for path, parser in PARSERS.items():
        for action in shown(parser):
            yield path, action, next(name for name in action.option_strings if name.startswith("--"))


def test_every_command_has_examples_and_nothing_else_has():
    assert set(EXAMPLES) == set(PARSERS)


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_examples_are_in_the_help_and_can_be_parsed(path):
    said = PARSERS[path].format_help()
    for example in EXAMPLES[path]:
        assert f"ocrmypdf-superres {path} {example}".rstrip() in said
        parsed = build_parser(path.split()[0]).parse_args([*path.split(), *shlex.split(example)])
        assert parsed.command == path.split()[0]


@pytest.mark.parametrize("path", sorted(PARSERS))
def test_the_help_fits_two_screens_and_every_option_says_what_it_does(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    parser = PARSERS[path]
    assert len(parser.format_help().splitlines()) <= MOST_LINES
    for action in shown(parser):
        assert action.help, f"{path} {action.option_strings} has no help"


def test_every_default_is_in_the_help():
    for path, action, name in options():
        if action.default in (None, False, "", 0, 0.0, []) or name in ("--help", "--version"):
            continue
        said = PARSERS[path]._get_formatter()._expand_help(action)
        assert "default" in said and "[" not in said.rpartition("default")[2], f"{path} {name}: {said}"


def test_optional_values_say_what_happens_without_them():
    for path, action, name in options():
        if name in ("--language", "--output", "--jobs") and action.default is None and not action.required:
            assert "default" in (action.help or ""), f"{path} {name}"


def test_short_names_and_words_are_the_same_everywhere():
    for path, action, name in options():
        assert not BANNED & set(action.option_strings), f"{path} {name}"
        for other in action.option_strings:
            if not other.startswith("--"):
                assert SHORT.get(other) == name, f"{path} {other} is not {name}"
        if name in ("--language", "--output"):
            assert len(action.option_strings) == 2, f"{path} {name} lacks its short name"


def test_an_option_means_the_same_kind_of_value_everywhere():
    kinds: dict[str, dict[tuple[object, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, action, name in options():
        many = action.nargs if isinstance(action.nargs, int) else "many" if action.nargs in ("*", "+") else "one"
        metavar = None if name == "--output" else action.metavar
        kinds[name][(type(action).__name__, action.type, many, metavar)].append(path)
    assert not {name: found for name, found in kinds.items() if len(found) > 1}


def test_the_common_options_have_the_common_defaults():
    for path, action, name in options():
        expected = EVERYWHERE.get(name)
        if expected is not None:
            assert action.default in expected, f"{path} {name}"


def test_no_result_is_a_positional_argument():
    for path, parser in PARSERS.items():
        for action in parser._actions:
            if not action.option_strings and action.dest in ("output", "target", "result"):
                pytest.fail(f"{path} {action.dest} should be -o")


def test_commands_that_a_script_asks_have_json():
    names = (
        "plan",
        "doctor",
        "models",
        "compare",
        "evaluate",
        "lines",
        "patches",
        "heights",
        "recognizer measure",
        "archive status",
    )
    for path in names:
        assert any("--json" in action.option_strings for action in PARSERS[path]._actions), path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    pytest.importorskip("shtab")
    command = [sys.executable, "-m", "ocrmypdf_superres", "completion", shell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("plan", "archive", "finetune", "superres"):
        assert word in done.stdout


def test_bash_completes_a_command_and_an_option(tmp_path):
    pytest.importorskip("shtab")
    script = tmp_path / "completion"
    with script.open("w") as stream:
        command = [sys.executable, "-m", "ocrmypdf_superres", "completion", "bash"]
        subprocess.run(command, stdout=stream, timeout=120, check=True)

    def completed(*words: str) -> list[str]:
        line = f"""
            source {script}
            COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
            "$(complete -p ocrmypdf-superres | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" ocrmypdf-superres
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.split()

    assert "finetune" in completed("ocrmypdf-superres", "fi")
    assert "--language" in completed("ocrmypdf-superres", "archive", "run", "--lang")


def test_messages_of_other_packages_are_shown_where_they_warn_or_on_request(monkeypatch, capsys):
    import logging

    from ocrmypdf_superres import cli

    def run(args):
        logging.getLogger("fontTools.subset").info("glyf pruned")
        logging.getLogger("fontTools.subset").warning("a bad font")
        logging.getLogger("ocrmypdf_superres.training").info("ours")
        return 0

    monkeypatch.setattr("ocrmypdf_superres.commands.models.run", run)
    for verbose, expected in ((False, False), (True, True)):
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        assert cli.main(["models", *(["-v"] if verbose else [])]) == 0
        said = capsys.readouterr().err
        assert ("glyf pruned" in said) is expected and "a bad font" in said and "ours" in said
