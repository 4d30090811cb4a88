"""The known base families, one file per lineage; `compat.families` lists the files."""
