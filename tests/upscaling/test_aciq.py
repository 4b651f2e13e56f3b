# SPDX-License-Identifier: MPL-2.0
"""ACIQ: clipping, bits, correction, what is stored, and paper 001's own sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import random_page
from test_textlines import page

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import ModelError, OptionError
from ocrmypdf_superres.export.aciq import AciqSettings, allocate, clip_factor, quantize, quantize_network
from ocrmypdf_superres.export.aciq_model import quantize_model, table
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model
from ocrmypdf_superres.recognizers.cdistnet import CDistNet, CDistNetConfig, Distil, Unit
from ocrmypdf_superres.upscaling.backends import packed_weights as packed
from ocrmypdf_superres.upscaling.loading import load_upscaler


def megabits(total: int, quantized: int, bits: int) -> float:
    """Return the size, in 10^6 bits, of *total* parameters of which *quantized* have *bits* and the others 32.

    Paper 001 prints this number and calls it MB, which is eight times as much; it counts neither scales nor offsets.
    """
    return ((total - quantized) * 32 + quantized * bits) / 1e6


@pytest.mark.parametrize(
    ("law", "one_sided", "factors"),
    [
        ("gauss", False, [1.2399, 1.7106, 2.1516, 2.5591, 2.9362, 3.2869, 3.6151, 3.9240]),
        ("laplace", False, [1.8628, 2.8307, 3.8972, 5.0286, 6.2048, 7.4131, 8.6456, 9.8968]),
        ("gauss", True, [1.7106, 2.1516, 2.5591, 2.9362, 3.2869, 3.6151, 3.9240, 4.2163]),
        ("laplace", True, [2.8307, 3.8972, 5.0286, 6.2048, 7.4131, 8.6456, 9.8968, 11.1627]),
    ],
)
def test_clipping_factors_are_the_published_ones(law, one_sided, factors):
    assert [clip_factor(law, bits, one_sided) for bits in range(1, 9)] == pytest.approx(factors, abs=6e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=6), st.integers(1, 17), st.integers(0, 2**31))
def test_codes_survive_packing(bits, length, seed):
    widths = np.array(bits, np.uint8)
    codes = np.random.default_rng(seed).integers(0, 2 ** widths.astype(int)[:, None], (len(bits), length)).astype(np.uint8)
    stream = packed.pack(codes, widths)
    assert len(stream) == -(-sum(bits) * length // 8)
    assert np.array_equal(packed.unpack(stream, widths, length), codes)


def test_bits_by_hand():
    # Spreads 1 and 8: shares 1/5 and 4/5 of 2 * 2^3 levels: 3.2 and 12.8, 2 and 4 bits.
    assert allocate(np.array([1.0, 8.0]), 3).tolist() == [2, 4]
    assert allocate(np.array([1.0, 1.0, 1.0]), 4).tolist() == [4, 4, 4]
    many = allocate(np.random.default_rng(0).lognormal(size=200), 3)
    assert many.mean() <= 3.01 and many.std() > 0.3


def test_means_and_deviations_are_put_back():
    weight = np.random.default_rng(1).normal(0.1, 1.0, (6, 4, 3, 3))
    for bits in (2, 3, 4, 6):
        plain, corrected = (quantize(weight, bits, AciqSettings(True, on)).values().reshape(6, -1) for on in (False, True))
        rows = weight.reshape(6, -1)
        assert np.abs(corrected.mean(axis=1) - rows.mean(axis=1)).max() < 1e-5
        assert np.abs(corrected.mean(axis=1) - rows.mean(axis=1)).max() < np.abs(plain.mean(axis=1) - rows.mean(axis=1)).max()
        assert np.abs(corrected.std(axis=1) - rows.std(axis=1)).max() < 0.05


def test_more_bits_err_less_and_clipping_helps():
    weight = np.random.default_rng(2).laplace(size=(8, 5000))
    errors = [((quantize(weight, bits).values() - weight) ** 2).mean() for bits in range(2, 9)]
    assert all(more < less for less, more in itertools.pairwise(errors))
    # Clipped at the theory's place the error is the theory's, 2 b^2 e^-a + a^2 / (3 4^M).
    plain = quantize(weight, 4, AciqSettings(per_channel=False, correct=False)).values()
    alpha = clip_factor("laplace", 4)
    assert ((plain - weight) ** 2).mean() == pytest.approx(2 * np.exp(-alpha) + alpha**2 / (3 * 4**4), rel=0.15)
    with pytest.raises(ValueError, match="from 1 to 8"):
        quantize(weight, 9)


def test_eight_bits_cost_less_than_a_tenth_of_a_decibel(model, tmp_path):
    images = torch.from_numpy(random_page(48, 64))[None, None]
    rows = {row.bits: row for row, _ in table(model, images, (2, 4, 8))}
    assert rows[8].fidelity > rows[4].fidelity > rows[2].fidelity
    assert rows[2].size < rows[4].size < rows[8].size < rows[32].size
    # Against hr of a PSNR p, an output of PSNR q to the float net's is worse by less than 0.1 dB where q > p + 20 dB.
    assert rows[8].fidelity > 40.0
    made = quantize_model(model, 8, tmp_path / "small", "small")
    made.verify()
    assert set(made.card.files) == {"model.safetensors"} and made.card.metrics["bits a weight"] == 8
    luma = random_page(50, 61)
    ours, theirs = load_upscaler(str(tmp_path / "small"), "cpu", 1), load_upscaler(str(model.folder), "cpu", 1)
    assert np.abs(ours.upscale(luma, 2) - theirs.upscale(luma, 2)).max() < 0.05


def test_the_shipped_net_loses_nothing_to_see_at_eight_bits():
    # Clipped by either law alone it would lose 0.4 dB: its folded kernels have single large taps.
    rows = {row.bits: row for row, _ in table(find_model(DEFAULT_MODEL), torch.from_numpy(page())[None, None], (4, 8))}
    assert rows[8].fidelity > 50.0 and rows[8].size < 0.27 * rows[32].size and rows[4].fidelity > 28.0


def test_what_is_stored_is_what_runs(model, tmp_path):
    from ocrmypdf_superres.upscaling.backends.torch import load_network

    tensors = quantize_network(load_network(model), 3)
    path = tmp_path / "model.safetensors"
    packed.write(tensors, path)
    back = packed.read(path)
    for name, value in tensors.items():
        expected = value.values() if isinstance(value, packed.Packed) else value
        assert np.array_equal(back[name], expected) and back[name].dtype == expected.dtype
    assert sum(isinstance(value, packed.Packed) for value in tensors.values()) > 2
    damaged = path.read_bytes()[:-8]
    path.write_bytes(damaged)
    with pytest.raises(ModelError, match="does not hold weights that can be read"):
        packed.read(path)


def test_every_kind_of_network_can_be_quantized():
    stn = {"stn_widths": [4, 4, 4, 4, 4, 4], "stn_hidden": 8, "features": 8, "blocks": 1}
    for name, values in (("tsrn", stn), ("tbsrn", stn), ("edsr-stn", stn), ("fsrcnn", {}), ("dpnet", {"features": 4})):
        spec = get(name)
        net = spec.build(spec.parse_config(values)).eval()
        state = quantize_network(net, 6)
        net.load_state_dict(
            {k: torch.from_numpy(v.values() if isinstance(v, packed.Packed) else v.copy()) for k, v in state.items()}
        )
        assert bool(torch.isfinite(net(torch.rand(1, spec.channels_of(spec.parse_config(values)), 16, 64))).all())


def count(*modules) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def test_the_sizes_of_paper_001_come_out_to_the_last_digit():
    with torch.device("meta"):
        reader = CDistNet(CDistNetConfig(compat=True))
        line = get("edsr-stn").build(get("edsr-stn").parse_config({}))
        tbsrn = get("tbsrn").build(get("tbsrn").parse_config({"compat": True}))
    units = [m for m in reader.modules() if isinstance(m, Unit)]
    decoders = [unit for m in reader.modules() if isinstance(m, Distil) for unit in (m.positions, m.image, m.text)]
    attention = sum(count(unit.attention, unit.unused) for unit in units)
    feeds = sum(count(unit.feed) for unit in decoders)
    ocr = attention + feeds + count(reader.place) + count(reader.localisation.first, reader.localisation.last)
    assert (attention, feeds) == (31_518_720, 9_451_008) and ocr == 41_636_648
    sr = count(line.edsr.head, line.stn) + sum(count(part) for part in line.edsr.body)
    assert sr == 7_168 + 38_355_200 + 1_854_760
    # The mean-shift's 24 frozen parameters are counted in the paper.
    total = count(reader) + count(line) + 24
    printed = {
        "EDSR, none": (0, 32, 3457.40), "EDSR, SR, 4 bit": (sr, 4, 2331.32), "EDSR, OCR, 5 bit": (ocr, 5, 2333.21),
        # Printed as 7 bit; it is the size of 6.
        "EDSR, SR+OCR, 6 bit": (sr + ocr, 6, 1329.20),
    }  # fmt: skip
    for quantized, bits, size in printed.values():
        assert round(megabits(total, quantized, bits), 2) == size
    assert round(megabits(total, sr + ocr, 7), 2) == 1411.05
    grus = sum(count(block.unused[0], block.unused[1]) for block in tbsrn.blocks)
    assert grus == 229_760
    smaller = count(reader) + count(tbsrn) - grus
    assert round(megabits(smaller, 0, 32), 2) == 2190.08 and round(megabits(smaller, ocr, 5), 2) == 1065.89
    # In bytes, which is what MB means, an eighth of it.
    assert [round(megabits(n, 0, 32) / 8, 1) for n in (smaller, total)] == [273.8, 432.2]
    assert round(megabits(total, sr + ocr, 6) / 8, 1) == 166.2 or round(megabits(total, sr + ocr, 6) / 8, 2) == 166.15


def test_the_command_writes_a_model_and_a_table(model, tmp_path, capsys):
    (tmp_path / "text" / "eng").mkdir(parents=True)
    (tmp_path / "text" / "eng" / "book.txt").write_text("the quick brown fox jumps over the lazy dog " * 9)
    assert main(["quantize", str(model.folder), "-o", str(tmp_path / "made"), "--bits", "5"]) == 0
    assert find_model(str(tmp_path / "made")).card.name == "made"
    assert main(["quantize", str(model.folder)]) == 1
    with pytest.raises(OptionError, match="from 2 to 8"):
        quantize_model(model, 9, tmp_path / "more", "more")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(ModelError, match=r"does not hold a card\.toml"):
        quantize_model(model, 8, tmp_path / "full", "more")
    capsys.readouterr()


@pytest.mark.slow
def test_the_table_reads_with_tesseract(model, tmp_path, capsys):
    (tmp_path / "text" / "eng").mkdir(parents=True)
    (tmp_path / "text" / "eng" / "book.txt").write_text("the quick brown fox jumps over the lazy dog " * 9)
    assert main(["quantize", str(model.folder), "--table", str(tmp_path / "text")]) == 0
    printed = capsys.readouterr().out
    assert "CER" in printed and all(f" {bits} " in printed for bits in (2, 5, 8, 32))
