# SPDX-License-Identifier: MPL-2.0
"""Training the networks that look at images: readers of lines, and the text detector."""
