"""Guided troubleshooting: playbooks that a teacher follows, and what is known of how they run."""
