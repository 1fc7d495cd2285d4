"""The life of our orders: sent once, followed, cancelled, and every lot guarded at the exchange or on its way out."""
