"""What lies in the folders: listing, comparing with the index, watching."""
