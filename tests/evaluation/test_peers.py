# SPDX-License-Identifier: MPL-2.0
"""Other ways of enlarging: commands and their mistakes, and libraries that may not be there."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation_pages import draw
from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, ModelError, OptionError, RecognizerError, SuperresError
from ocrmypdf_superres.evaluation.benchmark import run_cases
from ocrmypdf_superres.evaluation.data.pages import Case, find_pages
from ocrmypdf_superres.evaluation.methods.dispatch import read
from ocrmypdf_superres.evaluation.methods.images import peer_image
from ocrmypdf_superres.evaluation.methods.peers import Peer, command_peer, enlarge_by, networks_peer, tessdata_peer, weights_peer
from ocrmypdf_superres.tesseract import find_traineddata

RECOGNIZERS = Path(__file__).parents[2] / "models" / "recognizers"


def python(code: str) -> Peer:
    return command_peer(f'{sys.executable} -c "{code}" {{in}} {{out}}')


def test_a_command() -> None:
    peer = python(
        "import sys; from PIL import Image; i = Image.open(sys.argv[1]); i.resize((i.width * 2, i.height * 2)).save(sys.argv[2])"
    )
    image = draw(60)
    assert peer.name == Path(sys.executable).name
    assert enlarge_by(peer, image, 60).size == (2 * image.width, 2 * image.height)
    # From twice 60 dpi the rest of the way to 300 is Lanczos.
    assert peer_image(image, 60, peer).size == (5 * image.width, 5 * image.height)


@pytest.mark.parametrize("text", ["", "enlarge {in}", "enlarge {out}", "enlarge '{in} {out}"])
def test_a_command_that_cannot_be(text: str) -> None:
    with pytest.raises(OptionError, match="--peer"):
        command_peer(text)


def test_a_command_that_fails() -> None:
    with pytest.raises(SuperresError, match="ended with 3: no luck"):
        enlarge_by(python("import sys; print('no luck', file=sys.stderr); sys.exit(3)"), draw(40), 40)
    with pytest.raises(SuperresError, match="gave no image"):
        enlarge_by(python("pass"), draw(40), 40)
    with pytest.raises(SuperresError, match="cannot be run"):
        enlarge_by(command_peer("no-such-program {in} {out}"), draw(40), 40)


@pytest.mark.parametrize(("kind", "module", "package"), [("dnn", "cv2", "opencv"), ("spandrel", "spandrel", "spandrel")])
def test_missing_and_damaged_weights_are_named(kind: str, module: str, package: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="do not exist"):
        weights_peer(tmp_path / "none.pb", kind)
    weights = tmp_path / "FSRCNN_x2.pb"
    weights.write_bytes(b"no model")
    missing = importlib.util.find_spec(module) is None
    # OpenCV without its contributed modules does not do.
    if missing or (kind == "dnn" and not hasattr(importlib.import_module(module), "dnn_superres")):
        with pytest.raises(MissingDependencyError, match=package):
            weights_peer(weights, kind)
    else:
        peer = weights_peer(weights, kind)
        assert peer.name == "FSRCNN_x2"
        with pytest.raises(ModelError, match="FSRCNN_x2"):
            enlarge_by(peer, draw(40), 40)


def test_a_spandrel_model(tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel")
    torch = pytest.importorskip("torch")
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    torch.save(net.state_dict(), tmp_path / "tiny.pth")
    assert spandrel.ModelLoader().load_from_file(tmp_path / "tiny.pth").scale == 2
    peer = weights_peer(tmp_path / "tiny.pth", "spandrel")
    made = enlarge_by(peer, draw(30), 30)
    assert isinstance(made, Image.Image) and made.size == tuple(2 * side for side in draw(30).size)


def test_other_language_files_read_the_page_enlarged_by_lanczos(benchmark_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"eng\.traineddata"):
        tessdata_peer(tmp_path)
    folder = tmp_path / "best"
    folder.mkdir()
    shutil.copy(find_traineddata("eng"), folder / "eng.traineddata")
    peer = tessdata_peer(folder)
    assert (peer.name, peer.knows("eng"), peer.knows("eng+deu")) == ("best", True, False)
    before = peer.decides()
    case = Case(find_pages(benchmark_folder)[1])
    german = replace(case, page=replace(case.page, languages="deu"))
    found = list(run_cases([case, german], ["lanczos"], "docsr-s2", None, 1, [peer]))
    texts = {(r.method, r.page): r.counts for r in found if not r.error}
    assert texts["best", "poor"] == texts["lanczos", "poor"]
    assert [r.method for r in found].count("best") == 1
    # Another file is another method for the cache.
    (folder / "eng.traineddata").write_bytes(b"other")
    assert peer.decides() != before
    with pytest.raises(SuperresError, match="eng"):
        read(case, "best", "docsr-s2", peer)


def test_networks_of_a_user_read_as_the_plugin_does(benchmark_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecognizerError, match="no tuned network"):
        networks_peer(tmp_path)
    folder = tmp_path / "mine"
    shutil.copytree(RECOGNIZERS / "eng", folder / "eng")
    peer = networks_peer(folder)
    assert (peer.name, peer.enlarges, peer.tessdata) == ("mine", False, None)
    assert (peer.knows("eng"), peer.knows("eng+deu"), peer.knows("deu")) == (True, True, False)
    before = peer.decides()
    case = Case(find_pages(benchmark_folder)[1])
    found = list(run_cases([case], ["plugin-tesseract"], "docsr-s2", None, 1, [peer]))
    assert not any(result.error for result in found)
    texts = {result.method: result.counts for result in found}
    assert texts["mine"] == texts["plugin-tesseract"]
    # Other networks are another method for the cache.
    shutil.copytree(RECOGNIZERS / "deu", folder / "deu")
    assert peer.decides() != before
