# SPDX-License-Identifier: MPL-2.0
"""Networks evaluated by themselves, on lines of text and on patches of pages whose hr is known."""
