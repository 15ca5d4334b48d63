"""DMARC: policy discovery, alignment and evaluation. RFC 7489, DMARCbis."""
