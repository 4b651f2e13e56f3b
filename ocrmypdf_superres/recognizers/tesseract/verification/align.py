# SPDX-License-Identifier: MPL-2.0
"""Two texts side by side, character by character, with the fewest edits (Levenshtein 1966)."""

from __future__ import annotations


def align(first: str, second: str) -> list[tuple[str, str]]:
    """Pairs of characters of *first* and *second*; an empty string stands where one of them has none."""
    rows = [list(range(len(second) + 1))]
    for index, left in enumerate(first):
        previous, row = rows[-1], [index + 1]
        for place, right in enumerate(second):
            row.append(min(previous[place] + (left != right), previous[place + 1] + 1, row[place] + 1))
        rows.append(row)
    pairs: list[tuple[str, str]] = []
    i, j = len(first), len(second)
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + (first[i - 1] != second[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((first[i], second[j]))
        elif i and rows[i][j] == rows[i - 1][j] + 1:
            i -= 1
            pairs.append((first[i], ""))
        else:
            j -= 1
            pairs.append(("", second[j]))
    return pairs[::-1]


def edits(first: str, second: str) -> int:
    """Least number of insertions, deletions and substitutions that turn *first* into *second*."""
    if first == second:
        return 0
    previous = list(range(len(second) + 1))
    for index, left in enumerate(first):
        row = [index + 1]
        for place, right in enumerate(second):
            row.append(min(previous[place] + (left != right), previous[place + 1] + 1, row[place] + 1))
        previous = row
    return previous[-1]
