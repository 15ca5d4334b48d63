"""mailctl: what an administrator does from a terminal. `--json` everywhere; errors name the thing and the remedy."""
