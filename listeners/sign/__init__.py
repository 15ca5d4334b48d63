"""The sign process: the only one that reads the private keys of DKIM."""
