# SPDX-License-Identifier: MPL-2.0
"""Finding what there is to do."""
