"""Text that every parser must read alike, read strictly."""
