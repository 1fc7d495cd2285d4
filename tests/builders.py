"""Small builders with good defaults: a test names only the one fact that it is about."""
