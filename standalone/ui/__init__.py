"""The parts of the Gradio app; `standalone.app` puts them together."""
