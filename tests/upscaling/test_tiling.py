# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.upscaling.tiling import tile_rows


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(8, 60), st.sampled_from([1, 2, 4]))
def test_tiles_cover_every_pixel_once_on_the_grid(height, width, size, multiple):
    size = max(multiple, size // multiple * multiple)
    seen = np.zeros((height, width), int)
    for row in tile_rows(height, width, size, multiple):
        assert len({(tile.top, tile.bottom) for tile in row}) == 1
        for tile in row:
            assert tile.top % multiple == tile.left % multiple == 0
            assert 0 < tile.bottom - tile.top <= size and 0 < tile.right - tile.left <= size
            seen[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (seen == 1).all()
