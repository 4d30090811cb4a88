"""Tensor names: what they say and which module of a model they mean; strings and shapes only."""
