"""Simulated device managements for the demo district and for tests: servers that speak each vendor's HTTP,
with invented schools. No part of asking a real vendor imports them.
"""
