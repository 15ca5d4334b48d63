"""What a message is worth to its recipient: judgement over facts, pure and replayable."""
