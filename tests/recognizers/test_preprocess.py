# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import ctypes
import ctypes.util
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ocrmypdf_superres.recognizers.tesseract.preprocess import contrast_levels, normalise, scale_lines

HEIGHT = 36


def leptonica() -> ctypes.CDLL:
    """The library itself, as the judge of our scaling."""
    name = ctypes.util.find_library("lept") or ctypes.util.find_library("leptonica")
    if name is None:
        pytest.skip("Leptonica is not installed")
    library = ctypes.CDLL(name)
    library.pixReadMem.restype = ctypes.c_void_p
    library.pixReadMem.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.pixScale.restype = ctypes.c_void_p
    library.pixScale.argtypes = [ctypes.c_void_p, ctypes.c_float, ctypes.c_float]
    library.pixWriteMemPng.argtypes = [
        ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t), ctypes.c_void_p, ctypes.c_float,
    ]  # fmt: skip
    return library


def scaled_by_leptonica(image: Image.Image) -> np.ndarray:
    library = leptonica()
    stream = io.BytesIO()
    image.save(stream, "PNG")
    data = stream.getvalue()
    factor = float(np.float32(HEIGHT) / np.float32(image.height))
    pix = library.pixScale(library.pixReadMem(data, len(data)), factor, factor)
    out, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert library.pixWriteMemPng(ctypes.byref(out), ctypes.byref(size), pix, 0.0) == 0
    return np.asarray(Image.open(io.BytesIO(ctypes.string_at(out, size.value))).convert("L"), dtype=np.float32)


def image_of(height: int, width: int) -> Image.Image:
    """Smooth blobs with noise, over the whole range of levels."""
    rng = np.random.default_rng(height)
    coarse = Image.fromarray(rng.integers(0, 256, (max(2, height // 4), max(2, width // 4))).astype(np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("height", [9, 13, 18, 24, 26, 30, 36, 39, 41, 47, 51])
def test_scaling_is_leptonicas_bit_by_bit(height: int) -> None:
    image = image_of(height, 311)
    ours, widths = scale_lines(torch.from_numpy(np.array(image, dtype=np.float32))[None], torch.tensor([311]), 36, True)
    theirs = scaled_by_leptonica(image)
    assert int(widths[0]) == theirs.shape[1]
    np.testing.assert_array_equal(ours[0].numpy(), theirs)


@pytest.mark.parametrize("height", [53, 60, 72, 91, 144, 170, 230])
def test_area_map_is_leptonicas_within_rounding(height: int) -> None:
    image = image_of(height, 601)
    ours, _ = scale_lines(torch.from_numpy(np.array(image, dtype=np.float32))[None], torch.tensor([601]), 36, True)
    theirs = scaled_by_leptonica(image)
    assert ours[0].shape == theirs.shape
    difference = np.abs(ours[0].numpy() - theirs)
    assert difference.mean() < 0.02
    assert difference.max() <= 2


@pytest.mark.parametrize("height", [20, 40, 72, 100])
def test_lines_of_a_batch_are_scaled_as_if_alone(height: int) -> None:
    batch = torch.from_numpy(np.stack([np.array(image_of(height, 200), dtype=np.float32)] * 2))
    batch[1, :, 131:] = 7.0
    together, widths = scale_lines(batch, torch.tensor([200, 131]), HEIGHT)
    alone, width = scale_lines(batch[1:, :, :131], torch.tensor([131]), HEIGHT)
    assert int(widths[1]) == int(width[0])
    torch.testing.assert_close(together[1, :, : int(width[0])], alone[0], atol=1e-3, rtol=0)


def test_levels_come_from_the_middle_row() -> None:
    row = torch.tensor([250.0, 240, 250, 20, 250, 30, 245, 245, 245, 10, 250, 250])
    lines = torch.full((1, 5, 12), 128.0)
    lines[0, 2] = row
    # Minima are 240, 20, 30 and 10; maxima the two peaks of 250 between them, and the plateau's edges.
    black, white = contrast_levels(lines, torch.tensor([12]))
    assert float(black[0]) == pytest.approx(11.0)
    assert 245.0 <= float(white[0]) <= 251.0
    flat_black, flat_white = contrast_levels(torch.full((1, 5, 12), 200.0), torch.tensor([12]))
    assert (float(flat_black[0]), float(flat_white[0])) == (1.0, 256.0)


def test_normalised_values() -> None:
    lines = torch.rand(2, HEIGHT, 50, generator=torch.Generator().manual_seed(1)) * 255.0
    widths = torch.tensor([50, 20])
    value = normalise(lines, widths, integer=True)
    assert float(value.abs().max()) <= 1.0
    assert not value[1, :, 20:].any()
    loose = normalise(lines, widths, integer=False)
    assert float(loose.max()) > 1.0
    exact = normalise(lines, widths, integer=True, rounding=True)
    torch.testing.assert_close(exact * 127.0, torch.round(exact * 127.0), atol=1e-4, rtol=0)
