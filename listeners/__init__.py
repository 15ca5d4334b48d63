"""The processes that talk to strangers and to each other over sockets. A door wires, translates and returns."""
