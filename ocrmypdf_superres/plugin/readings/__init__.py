# SPDX-License-Identifier: MPL-2.0
"""Further readings of one page: doubtful lines, other images, other engines, and all of them merged."""
