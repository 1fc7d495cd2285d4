"""The nouns that the stages pass to each other."""
