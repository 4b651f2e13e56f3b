# SPDX-License-Identifier: MPL-2.0
"""The pixels that OCR is given: those of the scan itself where it is one image, and the last steps on them."""
