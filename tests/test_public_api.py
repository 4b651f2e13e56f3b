# SPDX-License-Identifier: MPL-2.0
"""What other packages may rely on: the names in ``__all__`` of a few modules, with their signatures.

``python tests/test_public_api.py`` rewrites the inventory, public_api.txt. The source is read, not imported, so that neither
torch nor the Python version makes a difference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INVENTORY = Path(__file__).with_name("public_api.txt")
MODULES = (
    "ocrmypdf_superres",
    "ocrmypdf_superres.architectures",
    "ocrmypdf_superres.architectures.spec",
    "ocrmypdf_superres.errors",
    "ocrmypdf_superres.metrics.boxes",
    "ocrmypdf_superres.metrics.image",
    "ocrmypdf_superres.metrics.statistics",
    "ocrmypdf_superres.metrics.text",
    "ocrmypdf_superres.modelstore.cards",
    "ocrmypdf_superres.modelstore.store",
    "ocrmypdf_superres.ocr.engines.base",
    "ocrmypdf_superres.ocr.hypothesis",
    "ocrmypdf_superres.ocr.variants",
    "ocrmypdf_superres.page.plan",
    "ocrmypdf_superres.recognizers",
    "ocrmypdf_superres.recognizers.base",
    "ocrmypdf_superres.training.protocols",
    "ocrmypdf_superres.training.registries",
    "ocrmypdf_superres.upscaling.loading",
    "ocrmypdf_superres.upscaling.upscaler",
)


def source_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def parsed(module: str) -> ast.Module:
    return ast.parse(source_of(module).read_text(encoding="utf-8"))


def public_names(tree: ast.Module) -> list[str] | None:
    """Return the module's ``__all__``, None where it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def definition(module: str, name: str) -> ast.stmt:
    """Return the statement that defines *name*, in *module* or in the module that it is imported from."""
    for node in parsed(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ocrmypdf_superres"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return definition(node.module, alias.name)
    raise LookupError(f"{module} names {name} in __all__ but does not define it")


def described(node: ast.stmt, name: str, indent: str = "    ") -> Iterator[str]:
    """Yield the lines of the inventory for one definition."""
    if isinstance(node, ast.FunctionDef):
        kinds = [ast.unparse(d) for d in node.decorator_list if ast.unparse(d) in ("property", "classmethod", "staticmethod")]
        returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        yield f"{indent}{''.join(f'@{kind} ' for kind in kinds)}def {name}({ast.unparse(node.args)}){returned}"
    elif isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        yield f"{indent}class {name}{f'({bases})' if bases else ''}"
        for member in node.body:
            if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name) and not member.target.id.startswith("_"):
                default = " = ..." if member.value else ""
                yield f"{indent}    {member.target.id}: {ast.unparse(member.annotation)}{default}"
            elif isinstance(member, ast.FunctionDef) and (member.name == "__init__" or not member.name.startswith("_")):
                yield from described(member, member.name, indent + "    ")
    elif isinstance(node, ast.AnnAssign):
        yield f"{indent}{name}: {ast.unparse(node.annotation)}"
    else:
        yield f"{indent}{name}"


def inventory() -> str:
    lines = []
    for module in MODULES:
        lines.append(module)
        for name in sorted(public_names(parsed(module)) or ()):
            lines.extend(described(definition(module, name), name))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("module", MODULES)
def test_public_modules_say_what_is_public(module):
    assert public_names(parsed(module)), f"{module} needs __all__"


def test_the_public_api_is_the_inventory():
    assert inventory() == INVENTORY.read_text(encoding="utf-8"), (
        "run: python tests/test_public_api.py, and look at the difference"
    )


if __name__ == "__main__":
    INVENTORY.write_text(inventory(), encoding="utf-8")
