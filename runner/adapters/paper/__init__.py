"""The paper broker: account, order checks and matching."""
