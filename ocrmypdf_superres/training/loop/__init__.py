# SPDX-License-Identifier: MPL-2.0
"""The one training loop: steps, stages, averaging, validation, log, checkpoints and several processes."""
