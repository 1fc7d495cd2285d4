"""Markets made of candles: the seeded simulation and the replay of files."""
