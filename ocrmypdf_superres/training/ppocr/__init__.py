# SPDX-License-Identifier: MPL-2.0
"""Tuning RapidOCR's recognizer on prepared lines."""
