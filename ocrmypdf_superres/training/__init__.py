# SPDX-License-Identifier: MPL-2.0
"""Training: recipes, data, losses and the trainer.  Never imported by the plugin."""
