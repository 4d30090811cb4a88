"""The same generation path without any WebUI: command line, Gradio app and demo model."""
