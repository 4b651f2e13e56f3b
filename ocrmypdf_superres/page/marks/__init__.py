# SPDX-License-Identifier: MPL-2.0
"""What is on a page beside its text and is in its way: filled areas and dot leaders."""
