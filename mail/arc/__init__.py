"""ARC chains, verified. RFC 8617."""
