"""A school district's network that is not there: devices on the loopback that break and heal."""
