"""The few use cases that both edges, WebUI and standalone, call."""
