# SPDX-License-Identifier: MPL-2.0
"""Running nets on pages: tiles, backends, and the upscaler that puts them together."""
