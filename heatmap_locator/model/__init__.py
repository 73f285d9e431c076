"""The network, what it is made of, and the files its weights are in."""
