# SPDX-License-Identifier: MPL-2.0
"""Readings of one page: hOCR as lines and words, how sure they are, and choosing between them.

Knows neither OCRmyPDF nor any network.
"""
