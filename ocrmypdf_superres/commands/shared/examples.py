# SPDX-License-Identifier: MPL-2.0
"""The examples in the help of every command."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "plan": ("in.pdf", "in.pdf -l deu --pages 1,3-5 --superres-trigger dpi", "in.pdf --json plan.json"),
    "doctor": ("", "--device cuda", "--json -"),
    "compare": ("in.pdf -o compare.html", "in.pdf --pages 1-3 -l deu+fra --pdf-output out.pdf"),
    "upscale": ("page.png -o large.png", "in.pdf -o pages/ --scale 3"),
    "fuse": ("first.png second.png third.png -o page.png", "copy-a.pdf copy-b.pdf -o pages/ --model docsr-s2"),
    "report": ("report.jsonl -o report.html --images 5", "runs/evaluation -o report.html"),
    "archive": ("run IN OUT -l deu+fra", "status OUT"),
    "archive run": ("IN OUT -l deu+fra --outputs pdf,alto", "IN OUT --settings settings.toml --jobs 8"),
    "archive watch": ("IN OUT --settings settings.toml", "IN OUT --poll 30"),
    "archive status": ("OUT", "OUT --json -"),
    "archive verify": ("OUT", "OUT --quick"),
    "archive report": ("OUT -o report.html --images 10", "OUT --csv catalogue"),
    "models": ("", "show docsr-s2", "verify", "list --json -"),
    "finetune": ("scans -l deu -o my-archive", "pages-with-text --network -l deu -o my-networks --minutes 50"),
    "train": (
        "recipe.toml --data FOLDER -o run",
        "recipe.toml --data FOLDER --show-data",
        "recipe.toml --data FOLDER -o run --resume",
    ),
    "export": ("recipe.toml run -o my-model",),
    "quantize": ("docsr-s2 -o small --bits 8", "docsr-s2 --table texts"),
    "import-weights": ("edsr EDSR_x2.pt -o edsr-x2", "vgg19 vgg19.pth -o vgg19.safetensors"),
    "recognizer": ("compare line.png", "tune folder_of_lines -l eng -o mine.traineddata"),
    "recognizer compare": ("-l eng line1.png line2.png",),
    "recognizer tune": (
        "folder_of_lines -l eng -o mine.traineddata",
        "recipe.toml --data FOLDER -o mine.traineddata --minutes 30",
    ),
    "recognizer tune-rapidocr": ("recipe.toml --data FOLDER -o my-models/rapidocr/mine --minutes 60",),
    "recognizer lines": ("my-lines -l eng --text texts --count 10000",),
    "recognizer train": ("recipe.toml --data FOLDER -o my-crnn",),
    "recognizer alternate": ("recipe.toml --data FOLDER -o runs/alternating",),
    "recognizer export": ("-l eng -o eng.onnx",),
    "recognizer pack": ("mine.traineddata -l eng -o my-networks/eng",),
    "recognizer measure": ("my-networks/eng held-out-lines --json figures.json",),
    "evaluate": (
        "--data pages",
        "--data pages --conditions 72-scan 100-scan --count 1 --methods as-is lanczos plugin",
        "--data pages --json results.json --markdown table.md --run runs/evaluation",
    ),
    "lines": (
        "docsr-s2 edsr-stn-small --sets easy hard --kind textzoom",
        '--sets easy hard --kind textzoom --system "python pean.py {in} {out}"',
    ),
    "patches": ("docsr-s2 fsrcnn --data pages --scale 4 --json patches.json",),
    "heights": ("", "--data pages --count 0 --json heights.json", "train -o heights.onnx"),
    "calibrate": ("fit --data pages -o calibration.json", "engine --engine rapidocr --data pages"),
    "reproduce": ("002-1 --data FOLDER --reduced --seeds 3",),
    "completion": ("bash", "zsh", "fish"),
}
"""Command -> what follows it on the line, one example each; a test parses them all."""
