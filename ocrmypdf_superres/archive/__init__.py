# SPDX-License-Identifier: MPL-2.0
"""OCR of whole archives: runs over many files that can be killed at any moment, continued, verified and reported."""
