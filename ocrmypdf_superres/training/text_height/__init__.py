# SPDX-License-Identifier: MPL-2.0
"""Training the network that measures the height of text on tiles of a page."""
