# SPDX-License-Identifier: MPL-2.0
"""OCR engines that read a page beside the one that OCRmyPDF runs."""
