# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest

from ocrmypdf_superres.errors import OptionError

pytest.importorskip("scipy")
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.kernels import convolve, disc_kernel, walk_kernel
from ocrmypdf_superres.training.registries import DEGRADATIONS

STRIP = np.tile(np.repeat([0.1, 0.9, 0.9, 0.9, 0.4, 0.9], 16).astype(np.float32), (96, 6))


@pytest.mark.parametrize("name", DEGRADATIONS.names())
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_stage_keeps_shape_range_and_seed(name, scale):
    stages = [{"name": "downsample"}] if name == "downsample" else [{"name": name}, {"name": "downsample"}]
    make = Degradation(stages, clean=0.0)
    first, second = (make(STRIP, scale, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (96 // scale, 576 // scale) and first.dtype == np.float32
    assert first.min() >= 0.0 and first.max() <= 1.0
    assert np.array_equal(first, second)
    # Whatever is done to it, a light strip stays a light strip with dark bars.
    assert first.mean() > 0.35


def test_clean_strips_are_only_reduced():
    make = Degradation([{"name": "downsample", "kernels": ["box"]}, {"name": "noise", "sigma": [50, 60]}], clean=1.0)
    lr = make(STRIP, 4, np.random.default_rng(0))
    assert np.allclose(lr, STRIP.reshape(24, 4, 144, 4).mean((1, 3)), atol=1e-6)


def test_threshold_gives_two_levels():
    make = Degradation([{"name": "downsample"}, {"name": "threshold"}], clean=0.0)
    assert set(np.unique(make(STRIP, 2, np.random.default_rng(0)))) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{"name": "downsampel"}], "'downsampel'"),
        ([{"name": "downsample", "kernel": []}], "'kernel'"),
        ([{"name": "downsample", "probability": 2}], "probability"),
        ([{"name": "blur"}], "exactly one"),
    ],
)
def test_mistakes_are_named(stages, message):
    with pytest.raises(OptionError, match=message):
        Degradation(stages)


def test_kernels_of_a_camera():
    assert disc_kernel(0.3).shape == (1, 1)
    disc = disc_kernel(4.0)
    assert disc.shape == (9, 9)
    assert np.allclose([disc.sum(), disc[4, 4] * np.pi * 16], 1.0, atol=0.02)
    rng = np.random.default_rng(3)
    for size in (1.0, 5.0, 12.5, 21.0):
        kernel = walk_kernel(size, rng)
        rows, columns = np.nonzero(kernel > 0)
        assert kernel.min() >= 0 and np.isclose(kernel.sum(), 1.0)
        assert size - 1 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= size + 1.5
    # Blurring keeps grey grey at the border, and both ways to compute it agree.
    assert np.allclose(convolve(np.full((20, 30), 0.7, np.float32), walk_kernel(15.0, rng)), 0.7, atol=1e-5)
    wide = np.pad(disc_kernel(2.0), 2)
    assert np.allclose(convolve(STRIP, wide), convolve(STRIP, disc_kernel(2.0)), atol=1e-5)
