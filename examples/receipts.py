# SPDX-License-Identifier: MPL-2.0
"""Make a benchmark of small receipts from those of ICDAR 2019 SROIE.

    python receipts.py FOLDER OUT
    ocrmypdf-superres evaluate --data OUT --conditions --methods as-is oversample rapidocr plugin-tesseract plugin

FOLDER holds img/NAME.jpg and box/NAME.csv (or .txt), one line of a receipt a row: eight corner coordinates and the text, in
capitals. Every 24th receipt is taken, scaled down until its lines are 16 pixels high (smaller ones stay as they are), and
stored as JPEG without a dpi tag, as e-mail and phones send them. OUT gets them, their text row by row, and an index.json.
"""

import argparse
import json
from pathlib import Path
from statistics import median

from PIL import Image

DPI = 96
"""What the pages are said to have: OCRmyPDF takes no image without a resolution."""


def read_boxes(path: Path) -> list[tuple[int, int, int, str]]:
    """Return (left, top, bottom, text) of each line in *path*. Raises SystemExit where the file is something else."""
    boxes = []
    for row in path.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = row.split(",", 8)
        if len(parts) != 9:
            continue
        try:
            corners = [int(value) for value in parts[:8]]
        except ValueError:
            raise SystemExit(f"{path} has the row {row!r}; eight whole numbers and a text are expected.") from None
        boxes.append((min(corners[::2]), min(corners[1::2]), max(corners[1::2]), parts[8].strip()))
    if not boxes:
        raise SystemExit(f"{path} has no rows of eight numbers and a text; give the folder with img/ and box/ of SROIE.")
    return boxes


def text_by_rows(boxes: list[tuple[int, int, int, str]]) -> str:
    """Return the text of *boxes*, row by row from the top, each row from the left.

    A box is in the row above while its middle is less than half its height below that of the row's first box.
    """
    rows: list[list[tuple[int, int, int, str]]] = []
    for box in sorted(boxes, key=lambda box: box[1] + box[2]):
        middle = (box[1] + box[2]) / 2
        first = rows[-1][0] if rows else None
        if first and middle - (first[1] + first[2]) / 2 < 0.5 * (box[2] - box[1]):
            rows[-1].append(box)
        else:
            rows.append([box])
    return "\n".join(" ".join(text for *_, text in sorted(row)) for row in rows) + "\n"


def main() -> None:
    """Make the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=int, default=24, metavar="N", help="take every Nth receipt (default: 24)")
    parser.add_argument("--first", type=int, default=19, metavar="N", help="index of the first one (default: 19)")
    parser.add_argument("--height", type=float, default=16.0, help="median height of the boxes in pixels (default: 16)")
    args = parser.parse_args()
    images = sorted((args.folder / "img").glob("*.jpg"))[args.first :: args.every]
    if not images:
        raise SystemExit(
            f"{args.folder} has no img/*.jpg from number {args.first} on; give the folder with img/ and box/ of SROIE."
        )
    (args.out / "receipts").mkdir(parents=True, exist_ok=True)
    index = []
    for path in images:
        found = [args.folder / "box" / f"{path.stem}{suffix}" for suffix in (".csv", ".txt")]
        boxes = read_boxes(next((file for file in found if file.is_file()), found[0]))
        with Image.open(path) as opened:
            image = opened.convert("L")
        factor = min(1.0, args.height / median(bottom - top for _, top, bottom, _ in boxes))
        size = round(image.width * factor), round(image.height * factor)
        image = image.resize(size, Image.Resampling.BOX if factor < 0.4 else Image.Resampling.BICUBIC)
        target = args.out / "receipts" / path.name
        image.save(target, quality=75)
        target.with_suffix(".gt.txt").write_text(text_by_rows(boxes), encoding="utf-8")
        names = {"image": f"receipts/{path.name}", "text": f"receipts/{path.stem}.gt.txt"}
        common = {"collection": "receipts", "languages": "eng", "dpi": DPI, "ignore_case": True}
        index.append({"id": path.stem, **names, **common})
    (args.out / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    print(f"{len(index)} receipts are in {args.out}")


if __name__ == "__main__":
    main()
