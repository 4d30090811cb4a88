"""Embeddings that stand for words of the prompt."""
