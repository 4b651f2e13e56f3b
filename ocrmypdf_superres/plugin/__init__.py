# SPDX-License-Identifier: MPL-2.0
"""Everything that knows OCRmyPDF's hooks."""
