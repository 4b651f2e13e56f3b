# SPDX-License-Identifier: MPL-2.0
"""Options in a recipe's tables: the annotated arguments of the class or function that they are for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import field, make_dataclass
from typing import Any, get_type_hints

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import STRICT, read_table


def read_options(
    factory: Callable[..., Any], values: Mapping[str, Any], where: str, skip: int = 0, **more: Any
) -> dict[str, Any]:
    """Return *values*, as TOML gives them, as keyword arguments of *factory*: checked, lists turned into tuples.

    Args:
        factory: a class or function; its arguments need annotations, which say what fits.
        values: the options of a recipe's table.
        where: names the table in messages, such as ``Stage one, the loss 'edge'``.
        skip: how many leading arguments are not options.
        more: further options that the table may have, each ``(type, default)``.

    Returns:
        The options of *more* with their values or defaults, and the arguments that are given.

    Raises:
        OptionError: an unknown or missing option, a value of the wrong type, or a factory without annotations.
    """
    call = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    parameters = list(inspect.signature(factory).parameters.values())[skip:]
    parameters = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    try:
        hints = get_type_hints(call, include_extras=True)
        rows: list[Any] = [(name, kind, field(default=default)) for name, (kind, default) in more.items()]
        rows += [(p.name, hints[p.name], field(default=p.default)) for p in parameters if p.default is not p.empty]
        rows = [(p.name, hints[p.name]) for p in parameters if p.default is p.empty] + rows
    except (KeyError, NameError) as error:
        raise OptionError(
            f"{where} cannot have options, since the arguments lack annotations ({error}); annotate them."
        ) from error
    table = make_dataclass("Options", rows, frozen=True, namespace={"__pydantic_config__": STRICT})
    made: Any = read_table(table, values, where)
    return {row[0]: getattr(made, row[0]) for row in rows if row[0] in values or row[0] in more}
