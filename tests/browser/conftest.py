"""The browser that all tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.app_in_browser import browser_for_tests


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from browser_for_tests()
