# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres heights``."""
