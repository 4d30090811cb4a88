"""The network files of a user's folders, found by name."""
