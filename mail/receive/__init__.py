"""Mail from strangers: what is looked at before it is taken, and how it is handed to the keeper."""
