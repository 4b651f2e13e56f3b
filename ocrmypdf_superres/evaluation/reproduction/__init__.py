# SPDX-License-Identifier: MPL-2.0
"""Tables of published systems, made again: recipes trained over several seeds, evaluated, and set beside the paper's figures."""
