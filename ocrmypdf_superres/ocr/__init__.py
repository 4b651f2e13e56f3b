# SPDX-License-Identifier: MPL-2.0
"""Reading a page: its variants, what an engine read on them, how sure that is, and one reading made of several.

Knows OCRmyPDF's ``OcrElement``, but none of its hooks.
"""
