"""The local bundle: the whole server below one folder, on high ports of loopback, for whoever wants to try it."""
