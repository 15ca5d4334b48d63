"""Mail from our own users: whether it may go out as it is, what is added to it, and how it is handed to the keeper."""
