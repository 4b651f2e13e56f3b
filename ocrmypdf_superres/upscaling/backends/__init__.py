# SPDX-License-Identifier: MPL-2.0
"""What runs a network: onnxruntime, torch, or another process."""
