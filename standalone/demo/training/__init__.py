"""How the bundled toy model was made; nothing here is needed to use it."""
