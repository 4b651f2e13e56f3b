# SPDX-License-Identifier: MPL-2.0
"""Fetch the public low-resolution pages that the figures in README and docs were measured on.

    python fetch_benchmark_pages.py FOLDER [--collections NAME ...] [--from URL]
    ocrmypdf-superres evaluate --data FOLDER --conditions --markdown table.md

benchmark_pages.csv beside this script lists them: collection, repository, commit, path and SHA-256 of image and ground truth.
Files that are there and right are not fetched again; one whose SHA-256 differs is an error. FOLDER gets an index.json for
``evaluate``. FUNSD (funsd_forms_eng) is for research and education only; the others are CC-BY 4.0. Needs nothing but Python.
"""

import argparse
import csv
import hashlib
import http.client
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

LIST = Path(__file__).with_name("benchmark_pages.csv")
PUBLIC = "https://raw.githubusercontent.com"


def fetch(url: str, target: Path, sha256: str) -> bool:
    """Fetch *url* to *target*; return whether that was needed. Raises SystemExit where it fails or *sha256* differs."""
    if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
        return False
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the address is of the list, or the user's own
            data = answer.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise SystemExit(
            f"{url} cannot be fetched ({error}); run the same command again, which continues where it stopped."
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{url} has the SHA-256 {found[:12]}..., but {sha256[:12]}... was expected; nothing was written.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    part.write_bytes(data)
    part.replace(target)
    return True


def rows_of_words(annotations: dict) -> str:
    """Return the words of a FUNSD form, row by row from the top, each row from the left."""
    words = [word for field in annotations["form"] for word in field["words"] if word["text"].strip()]
    words.sort(key=lambda word: (word["box"][1] + word["box"][3]) / 2)
    rows: list[list[dict]] = []
    for word in words:
        top, bottom = word["box"][1], word["box"][3]
        last = rows[-1][0]["box"] if rows else None
        if last is not None and last[1] <= (top + bottom) / 2 <= last[3]:
            rows[-1].append(word)
        else:
            rows.append([word])
    return "".join(" ".join(w["text"] for w in sorted(row, key=lambda word: word["box"][0])) + "\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pages go")
    parser.add_argument("--collections", nargs="+", default=[], metavar="NAME", help="only these (default: all)")
    parser.add_argument("--from", dest="base", default=PUBLIC, metavar="URL", help="a mirror (default: %(default)s)")
    parser.add_argument("--list", type=Path, default=LIST, metavar="FILE", help="the list of pages (default: %(default)s)")
    args = parser.parse_args()
    with args.list.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    known = {row["collection"] for row in rows}
    if set(args.collections) - known:
        parser.error(f"there is no collection {min(set(args.collections) - known)!r}; give one of {', '.join(sorted(known))}")
    index, fetched = [], 0
    for row in rows:
        if args.collections and row["collection"] not in args.collections:
            continue
        place = args.folder / row["collection"]
        image, truth = (place / (row["page"] + Path(row[kind]).suffix) for kind in ("image", "truth"))
        for kind, target in (("image", image), ("truth", truth)):
            path = urllib.parse.quote(f"{row['repository']}/{row['commit']}/{row[kind]}")
            fetched += fetch(f"{args.base}/{path}", target, row[f"{kind}_sha256"])
        text = truth
        if truth.suffix == ".json":
            text = truth.with_suffix(".gt.txt")
            text.write_text(rows_of_words(json.loads(truth.read_text(encoding="utf-8"))), encoding="utf-8")
        index.append({
            "id": row["page"], "collection": row["collection"], "image": image.relative_to(args.folder).as_posix(),
            "text": text.relative_to(args.folder).as_posix(), "languages": row["languages"], "dpi": float(row["dpi"]),
        })  # fmt: skip
    (args.folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(index)} pages in {args.folder}, {fetched} files fetched\n")


if __name__ == "__main__":
    main()
