"""A small WebUI in the manner of AUTOMATIC1111's v1.10.1, true where extensions are hurt."""

from tests.webui.fakehost.kit import write_lora
from tests.webui.fakehost.webui import FakeWebUI, Result

__all__ = ["FakeWebUI", "Result", "write_lora"]
