"""What people write by hand: examples of their own, and edits of those that versions have."""
