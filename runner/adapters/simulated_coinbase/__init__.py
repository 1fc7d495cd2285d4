"""Coinbase's side of its own protocol: requests in, answers out, on a modelled market and a matching engine."""
