"""JSON and plain text over HTTP, for programs."""
