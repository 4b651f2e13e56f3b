# SPDX-License-Identifier: MPL-2.0
"""Objects of other packages by entry point: found, and refused one by one where something is wrong."""

import pytest

from ocrmypdf_superres.entry_points import Registry
from ocrmypdf_superres.errors import ModelError, OptionError

TABLE = Registry("ocrmypdf_superres.tests", "number", {"pi": "math:pi", "broken": "no_such_module:x", "gone": "math:no_such"})


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Offer *points*, name -> place, as the installed package *package* would."""

    def offer(package, **points):
        info = tmp_path / package / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {place}" for name, place in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[ocrmypdf_superres.tests]", *lines]) + "\n")
        monkeypatch.syspath_prepend(tmp_path / package)

    return offer


def test_own_and_offered_names(offered):
    import math

    offered("one", tau="math:tau")
    assert TABLE.names() == ["broken", "gone", "pi", "tau"]
    assert TABLE.load("pi") == math.pi
    assert TABLE.load("tau") == math.tau


def test_a_clash_refuses_that_name_only(offered):
    offered("one", tau="math:tau", e="math:e", pi="math:e")
    offered("two", tau="math:inf", e="math:e")
    with pytest.raises(OptionError, match="'tau' is offered by two packages"):
        TABLE.load("tau")
    with pytest.raises(OptionError, match=r"'pi' is offered by two packages \(math:pi and math:e\)"):
        TABLE.load("pi")
    assert TABLE.load("e") > 2.7  # both packages offer the same object


@pytest.mark.parametrize(
    "name, message",
    [
        ("broken", r"'broken' cannot be loaded from no_such_module:x \(No module named 'no_such_module'\)"),
        ("gone", "'gone' cannot be loaded from math:no_such"),
        ("pie", r"^Here: the number 'pie' is not known \(did you mean 'pi'\?\); known are broken, gone, pi\.$"),
    ],
)
def test_one_sentence(name, message):
    with pytest.raises(OptionError, match=message):
        TABLE.load(name, "Here")


def test_the_error_is_the_kinds():
    with pytest.raises(ModelError, match=r"^The net 'x' is not known; known are "):
        Registry("ocrmypdf_superres.tests", "net", error=ModelError).load("x")
