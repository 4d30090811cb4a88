"""Model files on disk: headers, names and hashes, without torch."""
