# SPDX-License-Identifier: MPL-2.0
"""Pure functions that measure text, images, boxes and statistics."""
