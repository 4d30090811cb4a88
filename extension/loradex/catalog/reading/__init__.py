"""What one file says: its header, its notes, in a form that is kept."""
