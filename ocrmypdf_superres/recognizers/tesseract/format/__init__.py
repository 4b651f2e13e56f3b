# SPDX-License-Identifier: MPL-2.0
"""The file format of Tesseract's networks, byte by byte."""
