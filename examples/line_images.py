# SPDX-License-Identifier: MPL-2.0
"""Images of rendered lines as hr, as bicubic and as sr of a line net; and what tuned languages read in them.

The second stage of Hildebrandt et al. (2022) with Tesseract as the recognizer: is sr read better after tuning on sr than on hr?

    python line_images.py FOLDER/text train --model edsr-stn-small --count 1200 --seed 1
    python line_images.py FOLDER/held held --model edsr-stn-small --count 512 --seed 2
    ocrmypdf-superres recognizer tune train/hr -o hr.traineddata
    ocrmypdf-superres recognizer tune train/sr -o sr.traineddata
    python line_images.py --measure held eng hr.traineddata sr.traineddata

FOLDER/text and FOLDER/held hold eng/*.txt.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image

from ocrmypdf_superres.evaluation.networks.line_sets import held_out_batches
from ocrmypdf_superres.metrics.text import TextScore, score
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.tesseract import read_lines
from ocrmypdf_superres.training.recipe import Source
from ocrmypdf_superres.training.recognizers.tasks import enlarged
from ocrmypdf_superres.upscaling.backends.torch import load_network


@torch.no_grad()
def render(texts: Path, out: Path, model: str, count: int, seed: int) -> None:
    """Write *count* lines of *texts* to the folders hr, bicubic and sr of *out*, each with NAME.gt.txt."""
    net = load_network(find_model(model))
    number = 0
    for batch in held_out_batches(Source("words", ".", languages={"eng": 1.0}), texts, 2, count, seed):
        kinds = {"hr": batch.hr, "bicubic": enlarged(batch.lr), "sr": net(batch.lr, 2).clamp(0, 1)}
        for index, (text, box) in enumerate(zip(batch.texts, batch.boxes, strict=True)):
            if box is None or not text:
                continue
            for kind, images in kinds.items():
                (out / kind).mkdir(parents=True, exist_ok=True)
                line = images[index, 0, box[1] : box[3], box[0] : box[2]]
                from_luma(line.numpy()).save(out / kind / f"{number:05d}.png")
                (out / kind / f"{number:05d}.gt.txt").write_text(text, encoding="utf-8")
            number += 1


def measure(folder: Path, language: str) -> str:
    """Return what *language*, installed or a .traineddata file, reads in the images of *folder*, in words."""
    names = sorted(folder.glob("*.png"))
    file = Path(language)
    tessdata = file.resolve().parent if file.suffix == ".traineddata" else None
    texts = [name.with_suffix(".gt.txt").read_text(encoding="utf-8") for name in names]
    found = read_lines([Image.open(name) for name in names], file.stem if tessdata else language, tessdata)
    total = sum((score(a, b) for a, b in zip(found, texts, strict=True)), TextScore())
    right = sum(" ".join(a.split()) == " ".join(b.split()) for a, b in zip(found, texts, strict=True))
    return (
        f"{folder} read by {language}: CER {100 * total.cer:.2f} %, {100 * right / len(texts):.1f} % of {len(texts)} lines right"
    )


def main() -> None:
    """Render, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="?", type=Path)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--model", default="edsr-stn-small")
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", nargs="+", metavar="FOLDER LANG")
    arguments = parser.parse_args()
    if arguments.measure:
        folder, *languages = arguments.measure
        for kind in ("hr", "bicubic", "sr"):
            for language in languages:
                print(measure(Path(folder) / kind, language), flush=True)
    elif arguments.texts and arguments.out:
        render(arguments.texts, arguments.out, arguments.model, arguments.count, arguments.seed)
    else:
        parser.error("give TEXTS and OUT, or --measure FOLDER LANGUAGE...")


if __name__ == "__main__":
    main()
