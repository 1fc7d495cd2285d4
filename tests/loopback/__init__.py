"""The proof of LIVE: the whole program against the simulated Coinbase, over sockets, in virtual time shared by both."""
