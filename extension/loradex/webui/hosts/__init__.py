"""Adapters: where each kind of WebUI keeps the model that it computes with."""
