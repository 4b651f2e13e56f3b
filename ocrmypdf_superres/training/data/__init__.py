# SPDX-License-Identifier: MPL-2.0
"""Where training strips come from: rendered text and scans, and what is done to them."""
