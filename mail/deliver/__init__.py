"""From a queued message to the remote's 250 or an honest bounce: plan, find hosts, attempt, outcome."""
