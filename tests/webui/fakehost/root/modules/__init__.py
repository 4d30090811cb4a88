"""The WebUI's own package, as extensions import it."""
