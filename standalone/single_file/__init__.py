"""Checkpoints in one file, in the layout of the original Stable Diffusion code."""

from standalone.single_file.load import load_single_file

__all__ = ["load_single_file"]
