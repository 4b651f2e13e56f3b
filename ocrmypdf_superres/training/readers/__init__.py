# SPDX-License-Identifier: MPL-2.0
"""Training the networks that look at pictures: readers of lines, and the text detector."""
