"""What the bot knows how to do with an event: one pure module per strategy. Long only."""
