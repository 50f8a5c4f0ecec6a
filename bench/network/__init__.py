"""Polling the network: what a device costs beside the bare libraries, and what goes wrong at full speed."""
