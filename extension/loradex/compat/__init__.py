"""Which base models a network fits, and why; headers only, without torch."""
