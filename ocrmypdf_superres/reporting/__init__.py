# SPDX-License-Identifier: MPL-2.0
"""The report: one HTML file that shows a run page by page and loads nothing from elsewhere."""
