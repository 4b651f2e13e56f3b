# SPDX-License-Identifier: MPL-2.0
"""Training the networks that look at images: recognizers of lines, and the text detector."""
