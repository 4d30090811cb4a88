"""The JSON API and the event stream; knows no WebUI and no torch."""
