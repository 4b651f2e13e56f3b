# SPDX-License-Identifier: MPL-2.0
"""Other ways of enlarging an image, and other language files of Tesseract, to compare with.

Any command, OpenCV's dnn_superres models, community models through spandrel, our models by themselves, folders of
``.traineddata`` files, with which the page enlarged by Lanczos is read, and folders of tuned networks, with which the plugin
reads. Nothing is downloaded: the program, the weights and the files are the user's.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, ModelError, OptionError, SuperresError
from ocrmypdf_superres.evaluation.methods.commands import run_command, split_command
from ocrmypdf_superres.evaluation.methods.nets import decides, net_image
from ocrmypdf_superres.modelstore.networks import networks_for, networks_in, versions_of_networks
from ocrmypdf_superres.modelstore.store import find_model, find_models, sha256_of
from ocrmypdf_superres.page.image import flatten, to_grey

# OpenCV tells algorithm and scale by the file's name, as its own models are named.
_DNN_NAME = re.compile(r"(edsr|espcn|fsrcnn|lapsrn)[^0-9]*_x([2348])", re.IGNORECASE)


@dataclass(frozen=True)
class Peer:
    """A method of a user's: its name in tables, its kind, and its command, file of weights, or folder."""

    name: str
    kind: Literal["command", "dnn", "spandrel", "model", "tessdata", "networks"]
    what: str

    @property
    def enlarges(self) -> bool:
        """Whether it is another way of enlarging; else it is another way of reading."""
        return self.tessdata is None and self.networks is None

    @property
    def tessdata(self) -> Path | None:
        """The folder of language files that it reads with; None for the installed ones."""
        return Path(self.what) if self.kind == "tessdata" else None

    @property
    def networks(self) -> str | None:
        """The folder of tuned networks with which the plugin reads; None where the page is read without the plugin."""
        return self.what if self.kind == "networks" else None

    def knows(self, languages: str) -> bool:
        """Whether it can read *languages*, such as ``eng+deu``; with tuned networks, whether one is for any of them."""
        if self.networks is not None:
            found = networks_for(self.networks, languages.split("+"))
            return any(network.folder.is_relative_to(self.networks) for network in found)
        return self.tessdata is None or all((self.tessdata / f"{one}.traineddata").is_file() for one in languages.split("+"))

    def decides(self) -> str:
        """Return what decides its result, for the cache: the command, and hashes of the files and of a model's code.

        Raises:
            ModelError: the model's card cannot be used. RecognizerError: a network's card cannot be.
        """
        if self.networks is not None:
            return "\n".join(versions_of_networks(networks_for(self.networks)))
        if self.kind == "model":
            return decides(find_model(self.what))
        if self.kind == "tessdata":
            return "--oem 1\n" + "\n".join(
                f"{path.name} {sha256_of(path)}" for path in sorted(Path(self.what).glob("*.traineddata"))
            )
        if self.kind == "command":
            files = [Path(word) for word in split_command(self.what, "--peer")]
            return "\n".join([self.what, *(sha256_of(file) for file in files if file.is_file())])
        return sha256_of(Path(self.what))


def command_peer(text: str) -> Peer:
    """Return the peer of ``--peer``: a command with {in} and {out}, named by its program.

    Raises:
        OptionError: {in} or {out} is missing, or the command cannot be split into words.
    """
    return Peer(Path(split_command(text, "--peer")[0]).name, "command", text)


def weights_peer(path: Path, kind: Literal["dnn", "spandrel"]) -> Peer:
    """Return the peer of a file of weights, named by the file.

    Raises:
        OptionError: there is no such file. MissingDependencyError: its library is not installed.
    """
    if not path.is_file():
        raise OptionError(f"The weights {path} do not exist; give the file of a model.")
    _library(kind)
    if kind == "dnn" and not _DNN_NAME.search(path.name):
        raise OptionError(
            f"{path.name} was given, a name such as FSRCNN_x3.pb was expected; OpenCV tells its models by their names."
        )
    return Peer(path.stem, kind, str(path))


def model_peers(names: Sequence[str]) -> list[Peer]:
    """Return the peers of ``--models``: names or folders of models, or ``all``; each is named by its card.

    Raises:
        ModelError: there is no such model, or its card cannot be used. OptionError: two have the same name.
    """
    return [Peer(model.card.name, "model", str(model.folder.resolve())) for model in find_models(names)]


def tessdata_peer(folder: Path) -> Peer:
    """Return the peer of ``--tessdata``: the language files of *folder*, by whose name it is called.

    Raises:
        OptionError: the folder holds no such file.
    """
    if not any(folder.glob("*.traineddata")):
        raise OptionError(f"--tessdata was given {folder}, a folder with files such as eng.traineddata was expected; correct it.")
    return Peer(folder.resolve().name, "tessdata", str(folder.resolve()))


def networks_peer(folder: Path) -> Peer:
    """Return the peer of ``--own-networks``: the tuned networks of *folder*, by whose name it is called.

    Raises:
        RecognizerError: the folder holds none, or a damaged one.
    """
    networks_in(folder)
    return Peer(folder.resolve().name, "networks", str(folder.resolve()))


def all_peers(
    commands: Sequence[str],
    dnn: Sequence[Path],
    spandrel: Sequence[Path],
    models: Sequence[str],
    taken: Collection[str],
    tessdata: Sequence[Path] = (),
    networks: Sequence[Path] = (),
) -> list[Peer]:
    """Return the peers of all kinds that a user named.

    Raises:
        OptionError: two have one name, or a name is in *taken*; or as the functions for each kind.
        ModelError, MissingDependencyError, RecognizerError: as the functions for each kind.
    """
    peers = [command_peer(text) for text in commands]
    peers += [weights_peer(path, "dnn") for path in dnn] + [weights_peer(path, "spandrel") for path in spandrel]
    peers += [*model_peers(models), *map(tessdata_peer, tessdata), *map(networks_peer, networks)]
    names = [peer.name for peer in peers]
    for name in names:
        if names.count(name) > 1 or name in taken:
            raise OptionError(
                f"Two methods are called {name}; give another name to a file of weights, a folder, a program or a model."
            )
    return peers


def _library(kind: str) -> Any:
    try:
        if kind == "spandrel":
            import spandrel

            return spandrel
        # Only the package with the contributed modules has it.
        superres = getattr(import_module("cv2"), "dnn_superres", None)
        if superres is None:
            raise ImportError("cv2 has no dnn_superres")
        return superres
    except ImportError as error:
        package = "spandrel" if kind == "spandrel" else "opencv-contrib-python-headless"
        raise MissingDependencyError(
            f"Models for {'spandrel' if kind == 'spandrel' else 'OpenCV'} need the package {package}, which is not installed; "
            f"run: pip install {package}"
        ) from error


def enlarge_by(peer: Peer, image: Image.Image, dpi: float, line: bool = False) -> Image.Image:
    """Return *image*, which has *dpi*, enlarged by *peer*, in grey; how much is the peer's own choice.

    *line* says that the image is a single line of text.

    Raises:
        SuperresError: the peer's program or model fails.
    """
    if peer.kind == "command":
        return _by_command(peer, image)
    if peer.kind == "model":
        return net_image(peer.what, image, dpi, line)
    colour = np.asarray(flatten(image).convert("RGB"))
    large = _by_dnn(peer, colour) if peer.kind == "dnn" else _by_spandrel(peer, colour)
    return Image.fromarray(large).convert("L")


def enlarge_in_colour(peer: Peer, image: Image.Image) -> Image.Image:
    """Return *image* enlarged by *peer*, a model that spandrel reads, in RGB.

    Raises:
        SuperresError: the model cannot be used.
    """
    return Image.fromarray(_by_spandrel(peer, np.asarray(flatten(image).convert("RGB")))).convert("RGB")


def _by_command(peer: Peer, image: Image.Image) -> Image.Image:
    with tempfile.TemporaryDirectory(prefix="superres-peer-") as temporary:
        source, target = Path(temporary) / "in.png", Path(temporary) / "out.png"
        flatten(image).save(source)
        run_command(peer.what, source, target)
        try:
            with Image.open(target) as opened:
                return to_grey(opened)
        except OSError as error:
            raise SuperresError(f"The command {peer.what!r} gave no image ({error}); see that it writes {{out}}.") from error


@lru_cache(maxsize=2)
def _dnn_model(path: str) -> Any:
    name = _DNN_NAME.search(Path(path).name)
    if name is None:
        raise ModelError(f"{path} was given, a name such as FSRCNN_x3.pb was expected; rename the file.")
    model = _library("dnn").DnnSuperResImpl_create()
    try:
        model.readModel(path)
        model.setModel(name.group(1).lower(), int(name.group(2)))
    except Exception as error:  # OpenCV has one class for all its errors, and it is not an OSError
        raise ModelError(f"OpenCV cannot use {path}: {error}") from error
    return model


def _by_dnn(peer: Peer, colour: Any) -> Any:
    model = _dnn_model(peer.what)
    return np.ascontiguousarray(model.upsample(np.ascontiguousarray(colour[..., ::-1]))[..., ::-1])


@lru_cache(maxsize=2)
def _spandrel_model(path: str) -> Any:
    spandrel = _library("spandrel")
    try:
        return spandrel.ModelLoader(device="cpu").load_from_file(path).eval()
    except Exception as error:  # the library has several families of errors, and the file is the user's
        raise ModelError(f"spandrel cannot use {path}: {error}") from error


def _by_spandrel(peer: Peer, colour: Any) -> Any:
    import torch

    model = _spandrel_model(peer.what)
    given = torch.from_numpy(np.ascontiguousarray(colour.transpose(2, 0, 1)[None], dtype=np.float32)) / 255
    if model.input_channels == 1:
        given = given.mean(dim=1, keepdim=True)
    with torch.inference_mode():
        made = model(given)[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return made[..., 0] if made.shape[2] == 1 else made
