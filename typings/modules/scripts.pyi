from typing import Any

AlwaysVisible: Any

class Script: ...
