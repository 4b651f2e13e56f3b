# SPDX-License-Identifier: MPL-2.0
"""Commands that compare, shrink, import and reproduce networks by themselves, without PDFs."""
