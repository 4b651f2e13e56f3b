# SPDX-License-Identifier: MPL-2.0
"""Finding the files of the input folder."""
