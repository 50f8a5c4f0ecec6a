"""Watching the network: what devices answered, which faults that means, and which of them are tickets."""
