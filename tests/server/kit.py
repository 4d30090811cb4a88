"""What the tests of the server read a library with."""


def tree(root):
    """Every file below a folder with its bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*")) if path.is_file()}
