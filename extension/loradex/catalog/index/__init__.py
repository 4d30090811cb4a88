"""What is remembered of all files: the database, its queries, the hashes."""
