"""DNS block lists: health, look-up, memory. RFC 5782."""
