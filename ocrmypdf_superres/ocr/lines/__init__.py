# SPDX-License-Identifier: MPL-2.0
"""Reading single lines of a page again: which ones, their images, and what an engine reads on them."""
