"""The bot as its operator has it: real processes, signals, files, terminals. Nothing of it is imported or patched."""
