"""The queue as judgement: states, schedule, outcomes. Knows no SQL and no SMTP."""
