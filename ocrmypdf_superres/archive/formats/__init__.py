# SPDX-License-Identifier: MPL-2.0
"""ALTO, METS and XMP."""
