"""What the host decides: the settings file and where things lie."""
