"""Who there is: addresses, passwords, and what counts as too many failures. Judgement and values, no SQL."""
