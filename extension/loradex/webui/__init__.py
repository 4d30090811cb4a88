"""The WebUI side: registration and host adapters."""
