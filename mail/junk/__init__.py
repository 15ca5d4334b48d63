"""The junk filter: words of a message, counts learnt per account, a probability."""
