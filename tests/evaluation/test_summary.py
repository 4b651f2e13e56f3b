# SPDX-License-Identifier: MPL-2.0
"""Tables and promises from made-up counts, against values worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation_pages import LINES, draw

from ocrmypdf_superres.evaluation import worst
from ocrmypdf_superres.evaluation.benchmark import Result, from_json, to_json
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case
from ocrmypdf_superres.evaluation.goals import goals
from ocrmypdf_superres.evaluation.networks_table import networks_table
from ocrmypdf_superres.evaluation.summary import TOGETHER, headlines, lost, made_worse, markdown, others, paired_table, rows
from ocrmypdf_superres.evaluation.worst import save_worst, worst_pages
from ocrmypdf_superres.metrics.text import TextScore
from ocrmypdf_superres.tesseract import RAW_LINE


def result(group: str, page: str, method: str, edits: int, found: int = 0, superres: float = 0.0) -> Result:
    """A page of 1000 characters and 100 words."""
    collection = group if "dpi" not in group else "books"
    return Result(group, page, collection, method, TextScore(edits, 1000, found, 100, 100), 2.0, superres, {})


RESULTS = [
    # A low-resolution collection: ours misses 24 of 200 words, the best other (Lanczos) 30.
    result("letters", "a", "as-is", 300, 70),
    result("letters", "a", "lanczos", 100, 80),
    result("letters", "a", "plugin", 80, 86, superres=0.5),
    result("letters", "b", "as-is", 60, 88),
    result("letters", "b", "lanczos", 70, 90),
    result("letters", "b", "plugin", 71, 90, superres=0.3),
    # A reduced page that Lanczos loses, and one where ours is worse by two points than as-is.
    result("72 dpi scan", "c", "as-is", 900),
    result("72 dpi scan", "c", "lanczos", 600),
    result("72 dpi scan", "c", "plugin", 120),
    result("72 dpi scan", "c", "native", 20),
    result("72 dpi scan", "d", "as-is", 40),
    result("72 dpi scan", "d", "lanczos", 50),
    result("72 dpi scan", "d", "plugin", 60),
    result("72 dpi scan", "d", "native", 10),
    result("150 dpi clean", "c", "as-is", 21),
    result("150 dpi clean", "c", "lanczos", 20),
    result("150 dpi clean", "c", "plugin", 21),
    result("150 dpi clean", "c", "native", 20),
]


def test_rows_are_pooled_and_ordered() -> None:
    table = rows(RESULTS)
    assert list(dict.fromkeys(row.group for row in table)) == ["letters", "72 dpi scan", "150 dpi clean"]
    ours = next(row for row in table if (row.group, row.method) == ("letters", "plugin"))
    assert (ours.pages, ours.counts.edits, ours.counts.characters) == (2, 151, 2000)
    assert ours.seconds == 2.4
    assert ours.superres_share == 0.2


def test_worse_counts_only_more_than_a_point() -> None:
    worse, total = made_worse(RESULTS, "plugin")
    assert total == 5
    # letters/b is worse than as-is by 1.1 points, 72/d by 2; 150/c by 0.1.
    assert worse == ["72 dpi scan: d (0.040 to 0.060)", "letters: b (0.060 to 0.071)"]
    assert made_worse([result("x", "p", "as-is", 50), result("x", "p", "plugin", 60)], "plugin") == ([], 1)


def test_lost_needs_a_readable_scan() -> None:
    assert lost(RESULTS, "lanczos") == lost(RESULTS, "as-is") == ["72 dpi scan: c"]
    assert lost(RESULTS, "plugin") == []
    unreadable = [result("72 dpi scan", "e", "plugin", 900), result("72 dpi scan", "e", "native", 300)]
    assert lost(unreadable, "plugin") == []


def test_goals_by_hand() -> None:
    found = {goal.words: goal for goal in goals(RESULTS, "plugin")}
    together = found["words missed, low-resolution collections together"]
    assert together.figure == "12.00% / 15.00% (lanczos) = 0.80"
    assert together.met
    pooled = found["CER, letters"]
    assert pooled.figure == "7.55% / 8.50% (lanczos) = 0.89"
    reduced = found["CER, 72 dpi with blur, noise and JPEG, against Lanczos"]
    assert reduced.figure.endswith("= 0.28")
    assert reduced.met
    good = found["CER, 150 dpi clean, points above Lanczos"]
    assert good.figure == "2.10% - 2.00% = +0.10"
    assert good.met
    assert found["pages lost (CER over 50 % where the scan stays under 10 %)"].met
    worse = found["pages worse than the best of the others by more than 1 point of CER"]
    assert worse.figure == "2 of 5 = 40.0%"
    assert not worse.met
    time = found["CPU time of super-resolution against one reading by Tesseract"]
    assert time.figure == "0.8 s / 10.0 s = 8.0%"
    assert time.met


def test_unordered_collections_have_no_cer_goal() -> None:
    words = [goal.words for goal in goals(RESULTS, "plugin", unordered=["letters"])]
    assert "CER, letters" not in words
    assert "words missed, letters" in words


def test_unordered_collections_count_in_no_cer() -> None:
    groups = ("72 dpi scan", "150 dpi clean")
    read = (("as-is", 20), ("lanczos", 20), ("plugin", 900), ("native", 10))
    forms = [replace(result(group, "form", method, n), collection="forms") for group in groups for method, n in read]
    given = [goal for goal in goals([*RESULTS, *forms], "plugin", ["forms"]) if goal.words.startswith(("CER", "pages lost"))]
    assert given == [goal for goal in goals(RESULTS, "plugin") if goal.words.startswith(("CER", "pages lost"))]
    assert not any(goal.words.startswith("CER") for goal in goals(forms, "plugin", ["forms"]))
    assert "plugin: 0 pages lost" in headlines(forms, ["forms"])


def test_no_goals_without_both_sides() -> None:
    assert goals(RESULTS, "plugin-checked") == []
    assert goals([r for r in RESULTS if r.method == "plugin"], "plugin") == []


def test_headlines_and_markdown() -> None:
    lines = headlines(RESULTS)
    assert "plugin: 2 of 5 pages worse than the best other by more than 1 point of CER" in lines
    assert "plugin: 2 of 5 pages better than the best other by 1 point or more" in lines
    assert "lanczos: 1 pages lost: 72 dpi scan: c" in lines
    text = markdown(RESULTS)
    assert "| letters (2) | 18.00 / 21.0 / 79.0 | 8.50 / 15.0 / 85.0 | 7.55 / 12.0 / 88.0 | - |" in text
    assert "2.40 (20%)" in text


def test_worst_first() -> None:
    assert [(r.group, r.page) for r in worst_pages(RESULTS, "plugin", 2)] == [("72 dpi scan", "d"), ("letters", "b")]


def test_the_image_of_a_worst_line_is_the_one_that_was_read(
    tmp_path: Path, lanczos_net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 150 dpi by its label, so that a page of it would be left; a line is enlarged in any case.
    draw(150, LINES[:1]).crop((0, 70, 900, 130)).save(tmp_path / "line.png", dpi=(150, 150))
    page = BenchmarkPage("one/a", "books", str(tmp_path / "line.png"), "", "eng", 150.0, line=True)
    read: list[tuple[int, int | None]] = []
    monkeypatch.setattr(worst, "read_words", lambda image, dpi, languages, mode=None: read.append((image.width, mode)) or [])
    (path,) = save_worst([result("books", "one/a", "plugin", 9)], [Case(page)], "plugin", str(lanczos_net), tmp_path / "out", 1)
    assert path.is_file()
    assert path.name == "01 books one-a.png"
    assert [mode for _, mode in read] == [RAW_LINE, RAW_LINE]
    assert min(width for width, _ in read) > 900


def test_tuned_networks_are_compared_page_by_page() -> None:
    pages = [
        result("letters", "a", "plugin-stock", 100, 80), result("letters", "a", "plugin", 60, 90),
        result("letters", "b", "plugin-stock", 50, 90), result("letters", "b", "plugin", 75, 90),
        result("forms", "c", "plugin-stock", 20, 90), result("forms", "c", "plugin", 20, 95),
        result("forms", "d", "plugin", 20, 95),
    ]  # fmt: skip
    lines = networks_table(pages).splitlines()
    assert lines[2].startswith(
        "| letters (2) | 7.50 > 6.75 | 15.00 > 10.00 | 0.67 [0.50, 1.00] | -0.75 [-4.00, +2.50] | 1 / 1 of 2 |"
    )
    assert lines[3].startswith("| forms (1) | 2.00 > 2.00 | 10.00 > 5.00 | 0.50 | +0.00 |")
    assert lines[4].startswith("| all pages (3) |") and lines[4].endswith("| 1.00 [1.00, 1.00] |")
    assert networks_table(RESULTS) == ""


def test_networks_of_a_user_are_compared_with_the_shipped() -> None:
    pages = [
        result("letters", "a", "plugin-tesseract", 100, 80), result("letters", "a", "mine", 60, 90),
        result("letters", "b", "plugin-tesseract", 50, 90), result("letters", "b", "mine", 75, 90),
    ]  # fmt: skip
    assert networks_table(pages) == ""
    lines = networks_table(pages, ["mine"]).splitlines()
    assert "CER, shipped > mine, %" in lines[0]
    assert lines[2].startswith("| letters (2) | 7.50 > 6.75 | 15.00 > 10.00 | 0.67 [0.50, 1.00] |")


def test_an_engine_is_compared_with_the_plugin_but_not_where_tesseract_alone_reads() -> None:
    found = [result("letters", "a", name, edits) for name, edits in (("lanczos", 90), ("rapidocr", 10), ("plugin", 50))]
    assert others(found, "plugin") == ["lanczos", "rapidocr"]
    assert made_worse(found, "plugin") == (["letters: a (0.010 to 0.050)"], 1)
    alone = [*found, result("letters", "a", "plugin-tesseract", 50)]
    assert others(alone, "plugin-tesseract") == ["lanczos"]
    assert made_worse(alone, "plugin-tesseract") == ([], 1)


def test_a_peer_that_does_not_know_all_languages_counts_page_by_page_only() -> None:
    found = [result("letters", page, name, 50) for page in "ab" for name in ("lanczos", "plugin")]
    found.append(result("letters", "a", "best", 10))
    assert others(found, "plugin") == ["lanczos", "best"]
    assert others(found, "plugin", all_pages=True) == ["lanczos"]
    assert made_worse(found, "plugin")[0] == ["letters: a (0.010 to 0.050)"]


def test_collections_of_low_resolution_are_summed() -> None:
    found = [result(group, "a", "plugin", edits, 90) for group, edits in (("letters", 100), ("forms", 300), ("72 dpi scan", 900))]
    lines = [line for line in markdown(found).splitlines() if line.startswith(f"| {TOGETHER} (2)")]
    assert lines[0] == f"| {TOGETHER} (2) | 20.00 / 10.0 / 90.0 |"
    assert TOGETHER not in markdown(found[1:])


def test_on_pages_without_an_order_words_count() -> None:
    found = [result("forms", "a", "lanczos", 100, 80), result("forms", "a", "plugin", 300, 85)]
    assert made_worse(found, "plugin") == (["forms: a (0.100 to 0.300)"], 1)
    assert made_worse(found, "plugin", unordered=["forms"]) == ([], 1)
    lost_words = [found[0], result("forms", "a", "plugin", 100, 70)]
    assert made_worse(lost_words, "plugin", unordered=["forms"]) == (["forms: a (0.200 to 0.300)"], 1)


def test_whole_runs_are_set_beside_oversample() -> None:
    found = [
        replace(result("letters", "a", name, 50), run_seconds=seconds) for name, seconds in (("oversample", 2.0), ("plugin", 3.0))
    ]
    found.append(result("letters", "a", "lanczos", 50))
    table = markdown(found)
    assert table.splitlines()[-1] == "| letters (1) | - | 2.00 (1.00) | 3.00 (1.50) |"
    again = from_json(json.loads(json.dumps(to_json(found[1]))))
    assert again.run_seconds == 3.0


def test_networks_are_compared_by_collection_too() -> None:
    pages = [
        result(f"{dpi} dpi scan", "a", name, edits) for dpi in (72, 250) for name, edits in (("plugin", 40), ("plugin-stock", 50))
    ]
    starts = [line.split("|")[1].strip() for line in networks_table(pages).splitlines()[2:]]
    assert starts == ["72 dpi scan (1)", "250 dpi scan (1)", "books, reduced (2)", "all pages (2)"]


def test_conditions_of_one_scan_are_not_independent_pages() -> None:
    """One scan in eight conditions says as little about others as in one."""
    once = [result("72 dpi scan", page, name, edits) for page, pair in (("a", (50, 10)), ("b", (40, 60)))
            for name, edits in zip(("lanczos", "plugin"), pair, strict=True)]  # fmt: skip
    often = [replace(r, group=f"{dpi} dpi scan") for r in once for dpi in range(60, 140, 10)]
    whole, repeated = (paired_table(found, "plugin").splitlines()[2].split("|")[2:] for found in (once, often))
    assert whole == repeated
    stock = {"plugin": "plugin", "lanczos": "plugin-stock"}
    tables = [networks_table([replace(r, method=stock[r.method]) for r in found]).splitlines() for found in (once, often)]
    assert tables[0][-1].split("|")[4:6] == tables[1][-1].split("|")[4:6]
