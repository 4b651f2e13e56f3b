# SPDX-License-Identifier: MPL-2.0
"""A dry run: what the plugin would do to the pages of a document, without enlarging or reading any."""
