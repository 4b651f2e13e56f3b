# SPDX-License-Identifier: MPL-2.0
"""Int8 copies of float networks are what Tesseract's own tool makes of them."""

from __future__ import annotations

import copy
import shutil
import subprocess

import numpy as np
import pytest
import tinydata

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.int8 import int8_copy
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, read_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.tree import Matrix
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy, save_traineddata
from ocrmypdf_superres.tesseract import find_traineddata


def _matrices(data: TrainedData) -> list[Matrix]:
    return [matrix for node in data.network.walk() for matrix in node.matrices]


@pytest.fixture
def network() -> TrainedData:
    return float_copy(tinydata.tiny())


def test_weights_are_kept_to_half_a_step_of_their_row(network):
    small = int8_copy(network)
    assert small.integer and not network.integer
    for before, after in zip(_matrices(network), _matrices(small), strict=True):
        assert after.values.dtype == np.int8
        step = np.abs(before.values).max(axis=1, keepdims=True) / 127
        assert (np.abs(after.floats() - before.values) <= step * 0.5001).all()
        assert (np.abs(after.values.astype(int)).max(axis=1)[step[:, 0] > 0] == 127).all()


def test_the_file_can_be_read_again(network, tmp_path):
    small = int8_copy(network)
    save_traineddata(small, tmp_path / "tiny.traineddata")
    again = read_traineddata(tmp_path / "tiny.traineddata")
    assert again.integer
    for before, after in zip(_matrices(small), _matrices(again), strict=True):
        assert np.array_equal(before.values, after.values) and np.array_equal(before.scales, after.scales)
    assert again.charset.codes == network.charset.codes


def test_rows_of_zeros_stay_zeros(network):
    _matrices(network)[0].values[1] = 0.0
    assert not _matrices(int8_copy(network))[0].floats()[1].any()


def test_int8_and_broken_weights_are_refused(network):
    with pytest.raises(RecognizerError, match="int8 already"):
        int8_copy(int8_copy(network))
    broken = copy.deepcopy(network)
    _matrices(broken)[2].values[0, 0] = np.nan
    with pytest.raises(RecognizerError, match="not a finite number"):
        int8_copy(broken)


def test_values_and_scales_are_those_of_tesseracts_tool(needs_eng, tmp_path):
    tool = shutil.which("combine_tessdata")
    if tool is None:
        pytest.skip("combine_tessdata is not installed")
    network = float_copy(read_traineddata(find_traineddata("eng")))
    rng = np.random.default_rng(4)
    for matrix in _matrices(network):
        # As after tuning: no weight is a multiple of the old step any more.
        matrix.values *= rng.uniform(0.8, 1.2, matrix.values.shape)
    path = tmp_path / "eng.traineddata"
    save_traineddata(network, path)
    subprocess.run([tool, "-c", str(path)], check=True, capture_output=True)
    theirs, ours = read_traineddata(path), int8_copy(network)
    for one, two in zip(_matrices(theirs), _matrices(ours), strict=True):
        assert np.array_equal(one.values, two.values)
        assert np.array_equal(one.scales, two.scales)
    assert theirs.training_flags == ours.training_flags
