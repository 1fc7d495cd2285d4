"""The paper broker: the port `Broker` on the matching engine."""
