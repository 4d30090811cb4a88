"""What changes files: moves, renames, the trash, notes, with a journal for undo."""
