"""What a prompt says: network tags, attention weights, chunks and infotext; no I/O."""
