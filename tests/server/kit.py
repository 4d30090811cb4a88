"""What the tests of the server read a library with, and how they find all of its routes."""

import re

EXAMPLES = {"id": "ink.safetensors", "key": "1", "digest": "0", "name": "page.js"}
PROGRAM = {"X-Loradex": "1"}
"""Without it a request that changes something is refused before anybody is asked to log in."""


def requests_of(routes):
    """Method and path of one request for each route of ours, whichever there are."""
    found = [
        (method, re.sub(r"{(\w+)(?::path)?}", lambda part: EXAMPLES[part[1]], route.path))
        for route in routes if getattr(route, "path", "").startswith("/loradex/")
        for method in route.methods
    ]
    assert len(found) > 20
    return found


def tree(root):
    """Every file below a folder with its bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*")) if path.is_file()}
