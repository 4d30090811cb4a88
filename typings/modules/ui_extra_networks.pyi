from typing import Any

extra_pages: list[Any]
