"""The Flask application: pages, JSON, and what operations look at. A door: it wires, translates and returns."""
