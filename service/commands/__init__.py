"""The commands of `firstbell`, a family in each file."""

import gc

gc.set_threshold(20_000, 50, 50)  # what a start makes stays: looking it through again and again takes long
