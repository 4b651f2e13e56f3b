# SPDX-License-Identifier: MPL-2.0
"""Lines of low-resolution text as Tesseract's network receives them, with what they say, to tune it on."""
