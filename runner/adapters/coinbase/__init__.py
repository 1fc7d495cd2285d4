"""Coinbase Advanced Trade: its market and its broker, over HTTP."""
