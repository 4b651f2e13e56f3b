# SPDX-License-Identifier: MPL-2.0
"""Models as folders: cards, files and their hashes."""
