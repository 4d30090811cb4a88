"""What Loradex calls of a WebUI's `modules` package, and nothing else."""
