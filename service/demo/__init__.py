"""A district that does not exist: places, people, devices, six weeks of tickets, made through the verbs."""
