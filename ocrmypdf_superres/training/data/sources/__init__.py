# SPDX-License-Identifier: MPL-2.0
"""Where training images come from."""
