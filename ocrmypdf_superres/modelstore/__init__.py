# SPDX-License-Identifier: MPL-2.0
"""Models as folders: their cards, finding them, checking their files, and writing them."""
