"""A district that does not exist: places, people, devices, and six weeks of tickets made through the verbs."""
