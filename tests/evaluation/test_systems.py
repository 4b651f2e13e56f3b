# SPDX-License-Identifier: MPL-2.0
"""Systems that a user has, on lines and patches: commands that are run once on a folder, and models through spandrel."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

torch = pytest.importorskip("torch")
from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.networks.peers import system_predictors
from ocrmypdf_superres.training.data.batches import Batch

DOUBLE = """
import sys
from pathlib import Path
from PIL import Image
seen = sorted(Path(sys.argv[1]).glob("*.png"))
Path(__file__).with_name("calls.txt").open("a").write(f"{len(seen)}\\n")
for path in seen:
    image = Image.open(path)
    image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST).save(Path(sys.argv[2]) / path.name)
"""


def batches(channels: int = 3) -> list[Batch]:
    torch.manual_seed(0)
    return [
        Batch(2, torch.rand(n, channels, 4, 8), torch.rand(n, channels, 8, 16), ["a"] * n, [None] * n, ["eng"] * n)
        for n in (2, 1)
    ]


def script(folder: Path, text: str = DOUBLE, name: str = "pean.py") -> str:
    (folder / name).write_text(text)
    return f"{sys.executable} {folder / name} {{in}} {{out}}"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_command_is_run_once_on_all_images(channels, tmp_path):
    made = batches(channels)
    ((name, predict),) = system_predictors([script(tmp_path)], [], made).items()
    assert name == "pean" and (tmp_path / "calls.txt").read_text() == "3\n"
    for batch in made:
        sr = predict(batch.lr, 2)
        nearest = batch.lr.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        assert sr.shape == batch.hr.shape and float((sr - nearest).abs().max()) < 0.51 / 255 + 1e-4


def test_other_sizes_are_brought_to_the_scale(tmp_path):
    made = batches()
    (predict,) = system_predictors([script(tmp_path, DOUBLE.replace("2 *", "3 *"))], [], made).values()
    assert predict(made[0].lr, 2).shape == made[0].hr.shape


def test_commands_that_fail_or_leave_images_out(tmp_path):
    with pytest.raises(OptionError, match="with the folders"):
        system_predictors(["run {in}"], [], batches())
    with pytest.raises(OptionError, match="cannot be split"):
        system_predictors(["run '{in} {out}"], [], batches())
    with pytest.raises(SuperresError, match="ended with 3: no luck"):
        system_predictors([script(tmp_path, "import sys; print('no luck', file=sys.stderr); sys.exit(3)")], [], batches())
    with pytest.raises(SuperresError, match="wrote no image 000000"):
        system_predictors([script(tmp_path, "")], [], batches())
    with pytest.raises(SuperresError, match="cannot be run"):
        system_predictors(["no-such-program {in} {out}"], [], batches())
    with pytest.raises(OptionError, match="Two systems are called pean"):
        system_predictors([script(tmp_path), script(tmp_path)], [], batches())


def test_a_model_through_spandrel_sees_colour(tmp_path):
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=1, upscale=2)
    torch.save({"params": net.state_dict()}, tmp_path / "tiny.pth")
    ((name, predict),) = system_predictors([], [tmp_path / "tiny.pth"], batches()).items()
    sr = predict(batches()[0].lr, 2)
    assert name == "tiny" and sr.shape == (2, 3, 8, 16) and float(sr.std(dim=1).mean()) > 1e-3


def test_the_commands_have_a_row_for_each_system(tmp_path, capsys):
    from ocrmypdf_superres.cli import main

    text = tmp_path / "held" / "eng"
    text.mkdir(parents=True)
    (text / "a.txt").write_text("the quick brown fox jumps over the lazy dog " * 5, encoding="utf-8")
    out = tmp_path / "lines.json"
    command = ["lines", "--sets", str(tmp_path / "held"), "--count", "2", "--json", str(out)]
    assert main([*command, "--system", script(tmp_path)]) == 0
    rows = json.loads(out.read_text())[str(tmp_path / "held")]
    assert {"bicubic", "lanczos", "pean", "hr"} == set(rows) and rows["pean"]["psnr"] < 60
    assert "pean" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["bicubic", "fsrcnn", "hr"])
def test_a_system_never_takes_the_row_of_another(name, tmp_path, capsys):
    from ocrmypdf_superres.cli import main

    (tmp_path / "pages").mkdir()
    Image.new("L", (128, 128), 200).save(tmp_path / "pages" / "a.png")
    given = ["--data", str(tmp_path / "pages"), "--kind", "patches", "--size", "64", "64", "--scale", "4", "--count", "1"]
    assert main(["patches", "fsrcnn", *given, "--device", "cpu", "--system", script(tmp_path, name=f"{name}.py")]) == 1
    assert f"A system is called {name}, which is a row of the table" in capsys.readouterr().err
