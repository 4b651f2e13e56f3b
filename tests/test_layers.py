# SPDX-License-Identifier: MPL-2.0
"""Imports go downwards only; who may import what is written here, and nowhere else."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ocrmypdf_superres"
NAME = "ocrmypdf_superres"

LAYERS = {
    "errors": 0, "files": 0, "processes": 0, "tables": 0, "entry_points": 0, "extras": 0, "log_once": 0, "metrics": 0,
    "onnx_sessions": 1, "page": 1, "architectures": 1, "modelstore": 1, "tesseract": 1,
    "upscaling": 2, "recognizers": 2, "detectors": 2,
    "ocr": 3,
    "plugin": 4, "export": 4, "training": 4, "evaluation": 4, "reporting": 4,
    "archive": 5,
    "commands": 6, "cli": 6, "__main__": 6, "__init__": 6,
}  # fmt: skip

# Within a layer a room may import only these others.
BESIDE = {
    "errors": set(), "extras": set(), "files": {"errors"}, "log_once": {"processes"}, "processes": set(),
    "tables": {"errors"}, "entry_points": {"errors", "tables"},
    "metrics": {"errors", "files"},
    "onnx_sessions": set(), "page": {"onnx_sessions"}, "architectures": set(), "modelstore": set(), "tesseract": set(),
    "upscaling": set(), "recognizers": {"detectors"}, "detectors": set(),
    "ocr": set(),
    "plugin": set(), "export": set(), "training": {"export"}, "evaluation": {"training", "reporting"}, "reporting": set(),
    "archive": set(),
    "commands": set(), "cli": {"commands"}, "__main__": {"cli"}, "__init__": set(),
}  # fmt: skip
NEVER = {("archive", "training"), ("archive", "evaluation")}

# Who may import a package of others, by room or by file.
MAY_IMPORT = {
    "ocrmypdf": {"plugin", "ocr", "archive/worker", "evaluation/methods", "__init__"},
    "pikepdf": {"plugin", "page/pdf.py", "archive/formats", "archive/verify.py", "archive/worker"},
    "pypdfium2": {"page/pdf.py"},
    "torch": {
        "architectures", "upscaling/backends/torch.py", "upscaling/backends/packed_weights.py", "recognizers", "detectors",
        "training", "export", "metrics/lpips.py", "modelstore/published_weights.py", "evaluation",
    },
    "onnxruntime": {"onnx_sessions.py", "export"},
}  # fmt: skip
# Public API of OCRmyPDF; anything else of it may go with its next version.
PUBLIC_OCRMYPDF = {
    "ocrmypdf",
    "ocrmypdf.api",  # its __all__
    "ocrmypdf.exceptions",
    "ocrmypdf.helpers",
    "ocrmypdf.hocrtransform",
    "ocrmypdf.pdfinfo",
    "ocrmypdf.pluginspec",
}

MOST_LINES = 350
MOST_FILES = 14


def room_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(path: Path, types: bool = False) -> list[tuple[str, bool]]:
    """Return (module, whether it is imported when the file is) of every import; those for types only on request."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test) and not types:
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                found.append((child.module, top))
                # A name may be a module of its own.
                found.extend(
                    (f"{child.module}.{alias.name}", top) for alias in child.names if module_file(f"{child.module}.{alias.name}")
                )
            visit(child, top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    visit(tree, True)
    return found


def module_file(module: str) -> Path | None:
    """The file of one of our modules, None for anything else."""
    package, _, rest = module.partition(".")
    if package != NAME or not rest:
        return None
    path = PACKAGE / rest.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_has_a_layer():
    assert {room_of(path) for path in FILES} == set(LAYERS) == set(BESIDE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    room = room_of(path)
    here = str(path.relative_to(PACKAGE))
    for module, _ in imports(path, types=True):
        package, _, rest = module.partition(".")
        other = rest.partition(".")[0]
        if package == NAME and other in LAYERS and other != room:
            allowed = LAYERS[other] < LAYERS[room] or other in BESIDE[room]
            assert allowed, f"{here} imports {module}, which lies beside it or above it"
            assert (room, other) not in NEVER, f"{here} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_packages_of_others_are_imported_where_they_belong(path):
    here = str(path.relative_to(PACKAGE).with_suffix("")) + ".py"
    for module, _ in imports(path):
        package = module.partition(".")[0]
        if package in MAY_IMPORT:
            assert any(here == place or here.startswith(f"{place}/") or here == f"{place}.py" for place in MAY_IMPORT[package]), (
                f"{here} imports {package}"
            )
        if package == "ocrmypdf":
            assert module in PUBLIC_OCRMYPDF, f"{here} imports {module}, which is not public API of OCRmyPDF"


def test_no_import_circle():
    arrows: dict[Path, set[Path]] = defaultdict(set)
    for path in FILES:
        arrows[path] = {found for module, _ in imports(path) if (found := module_file(module)) and found != path}
    done: set[Path] = set()

    def visit(path: Path, way: list[Path]) -> None:
        if path in way:
            circle = [str(p.relative_to(PACKAGE)) for p in [*way[way.index(path) :], path]]
            pytest.fail(f"import circle: {' -> '.join(circle)}")
        if path in done:
            return
        for following in sorted(arrows[path]):
            visit(following, [*way, path])
        done.add(path)

    for path in FILES:
        visit(path, [])


SCRIPTS = sorted(path for folder in ("examples", "tests") for path in (PACKAGE.parent / folder).rglob("*.py"))


@pytest.mark.parametrize("path", [*FILES, *SCRIPTS], ids=lambda p: str(p.relative_to(PACKAGE.parent)))
def test_files_are_short(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES, f"{lines} lines: more than one thing is done in this file"


def test_folders_are_small():
    for folder in {path.parent for path in FILES}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MOST_FILES, f"{folder.relative_to(PACKAGE)} has {len(files)} files; give it sub-folders"


def test_subcommands_are_imported_only_inside():
    top = {module for module, at_top in imports(PACKAGE / "cli.py") if at_top}
    assert {m for m in top if m.startswith(NAME)} == {f"{NAME}.errors", f"{NAME}.commands.shared.parsing"}
