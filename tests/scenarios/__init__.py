"""The whole program on a scripted market, read from the audit file and the log as a user would."""
