# SPDX-License-Identifier: MPL-2.0
"""Imports go downwards only; who may import what is written here, and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ocrmypdf_superres"
NAME = "ocrmypdf_superres"

LAYERS = {
    "errors": 0, "image": 0,
    "architectures": 1, "modelstore": 1,
    "engine": 2, "recognizers": 2, "readings": 2, "textheight": 2,
    "training": 3, "evaluation": 3, "export": 3,
    "page": 3, "pixels": 3, "record": 3, "options": 3, "pagework": 3, "plugin": 3, "checked": 3,
    "archive": 3,
    "cli": 4, "commands": 4, "__main__": 4, "__init__": 4,
}  # fmt: skip
LEFT = {"training", "evaluation", "export"}
RIGHT = {"page", "pixels", "record", "options", "pagework", "plugin", "checked", "archive"}

MAY_IMPORT = {
    # evaluation runs real OCRmyPDF; the command line never does.
    "ocrmypdf": {"plugin", "options", "page", "pagework", "pixels", "checked", "archive", "evaluation", "__init__"},
    "pikepdf": {"pixels", "page", "archive"},
    "torch": {"architectures", "engine", "recognizers", "training", "export", "commands", "evaluation"},
    "onnxruntime": {"engine", "export"},
}
# Of these parts only the named files import torch.
TORCH_FILES = {"engine": {"torch_backend.py", "upscaler.py"}, "commands": {"recognizer.py"}, "evaluation": {"lpips.py", "peers.py"}}


def part_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return (module, whether it is imported when the file is) of every import that is not for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                found.append((child.module, top))
                if child.module == NAME:
                    found.extend((f"{NAME}.{alias.name}", top) for alias in child.names)
            visit(child, top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    visit(tree, True)
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_part_has_a_layer():
    assert {part_of(path) for path in FILES} == set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    part = part_of(path)
    for module, _ in imports(path):
        package, _, rest = module.partition(".")
        if package == NAME and rest:
            other = rest.partition(".")[0]
            assert LAYERS[other] <= LAYERS[part], f"{part} imports {module}, which lies above it"
            assert not (part in RIGHT and other in LEFT), f"{part} imports {module}: the plugin never needs the workshop"
        if package in MAY_IMPORT:
            assert part in MAY_IMPORT[package], f"{part} imports {package}"
            if package == "torch" and part in TORCH_FILES:
                assert path.name in TORCH_FILES[part], f"{path.name} imports torch"


def test_subcommands_are_imported_only_inside():
    top = {module for module, at_top in imports(PACKAGE / "cli.py") if at_top}
    assert {m for m in top if m.startswith(NAME)} == {f"{NAME}.errors"}
