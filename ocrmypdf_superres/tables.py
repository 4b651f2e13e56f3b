# SPDX-License-Identifier: MPL-2.0
"""Strict TOML: tables become frozen dataclasses or pydantic models, and every mistake is one clear sentence."""

from __future__ import annotations

import difflib
import inspect
import json
import tomllib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import field, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ocrmypdf_superres.errors import OptionError, SuperresError

T = TypeVar("T")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)
"""For a dataclass that is read from a table: ``__pydantic_config__ = STRICT`` in its body."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` where one of *known* is like *name*, else an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def read_toml(path: Path, what: str, error: type[SuperresError] = OptionError) -> dict[str, Any]:
    """Return the tables of the TOML file *path*; *what* says in messages what it is, such as ``The recipe``.

    Raises:
        SuperresError: of the kind *error*: the file is missing, cannot be read, or is not TOML.
    """
    try:
        # Without the byte order mark that editors on Windows write.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as cause:
        raise error(f"{what} {path} cannot be read ({cause.strerror}); correct the path.") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise error(f"{what} {path} is not valid TOML ({cause}); correct it there.") from cause


def read_table(
    kind: type[T], values: Mapping[str, Any], where: str, error: type[SuperresError] = OptionError, advice: str = ""
) -> T:
    """Return *kind*, a dataclass with :data:`STRICT` or a pydantic model, made of *values* as TOML gives them.

    Lists stand for tuples and whole numbers for floats; nothing else is converted. Elements and lengths of tuples,
    choices and nested tables are checked by the annotations.

    Args:
        kind: what to make.
        values: the table.
        where: names the table in messages, such as ``The table [stages] of recipe.toml``.
        error: the error to raise.
        advice: what to do, for the end of the message.

    Raises:
        SuperresError: of the kind *error*: an unknown key (with the likely one), a missing key, or a value that does not fit.
    """
    try:
        # As JSON, since pydantic's strict mode takes lists for tuples there and refuses them in Python objects.
        made: T = _adapter(cast(Hashable, kind)).validate_json(json.dumps(dict(values)))
    except TypeError as cause:
        raise error(f"{where} holds a value that no setting takes ({cause}); give text, numbers, lists or tables.") from cause
    except ValidationError as cause:
        problems = cause.errors()
        # A misspelt key is also a missing one, and the former says more.
        problem = next((p for p in problems if p["type"] in _UNKNOWN), problems[0])
        raise error(_sentence(where, kind, problem, advice)) from cause
    return made


def read_record(kind: type[T], values: object, where: str, advice: str = "") -> T:
    """Return *kind*, a dataclass, made of *values* as JSON gives them, which this package wrote and somebody may have edited.

    Unknown keys are passed over, as later versions may have more. *where* and *advice* are those of :func:`read_table`.

    Raises:
        OptionError: a missing key, or a value that does not fit.
    """
    try:
        made: T = _adapter(cast(Hashable, kind)).validate_python(values)
    except ValidationError as cause:
        raise OptionError(_sentence(where, kind, cause.errors()[0], advice)) from cause
    return made


def read_options(
    factory: Callable[..., Any],
    values: Mapping[str, Any],
    where: str,
    skip: int = 0,
    error: type[SuperresError] = OptionError,
    **more: Any,
) -> dict[str, Any]:
    """Return *values*, as TOML gives them, as keyword arguments of *factory*: checked, lists turned into tuples.

    Args:
        factory: a class or function; its arguments need annotations, which say what fits.
        values: the options of a table.
        where: names the table in messages, such as ``Stage one, the loss 'edge'``.
        skip: how many leading arguments are not options.
        error: the error to raise.
        more: further options that the table may have, each ``(type, default)``.

    Returns:
        The options of *more* with their values or defaults, and the arguments that are given.

    Raises:
        SuperresError: of the kind *error*: an unknown or missing option, a value of the wrong type, or a factory without
            annotations.
    """
    call = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    parameters = list(inspect.signature(factory).parameters.values())[skip:]
    parameters = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    try:
        hints = get_type_hints(call, include_extras=True)
        rows: list[Any] = [(name, kind, field(default=default)) for name, (kind, default) in more.items()]
        rows += [(p.name, hints[p.name], field(default=p.default)) for p in parameters if p.default is not p.empty]
        rows = [(p.name, hints[p.name]) for p in parameters if p.default is p.empty] + rows
    except (KeyError, NameError) as cause:
        raise error(f"{where} cannot have options, since the arguments lack annotations ({cause}); annotate them.") from cause
    table = make_dataclass("Options", rows, frozen=True, namespace={"__pydantic_config__": STRICT})
    made: Any = read_table(table, values, where, error)
    return {row[0]: getattr(made, row[0]) for row in rows if row[0] in values or row[0] in more}


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    """Return what makes *kind*, a class, of a table; to build it takes longer than to use it a dozen times."""
    adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, kind))
    return adapter


def _sentence(where: str, kind: type[Any], problem: ErrorDetails, advice: str) -> str:
    return f"{where} {_mistake(kind, problem)}{'; ' + advice if advice else ''}."


def _mistake(kind: type[Any], problem: ErrorDetails) -> str:
    place = [part for part in problem["loc"] if not isinstance(part, str) or part.isidentifier() or "-" in part]
    key = ".".join(str(part) for part in place)
    if problem["type"] in _UNKNOWN:
        known = sorted(_names(kind))
        hint = did_you_mean(str(problem["loc"][-1]), known) if len(problem["loc"]) == 1 else ""
        listed = f"; known are {', '.join(known)}" if len(problem["loc"]) == 1 else ""
        return f"has the unknown key {key!r}{hint}{listed}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"lacks the key {key!r}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = message if problem["type"] == "value_error" else f"expected is {message}"
    return f"has {key} = {problem['input']!r}, but {expected}" if key else message


def _names(kind: type[Any]) -> set[str]:
    fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
    return set(fields)
