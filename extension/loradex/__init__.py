"""Loradex: knows what every LoRA file is, applies it exactly, and takes it off bit for bit."""

__version__ = "0.1.0"
