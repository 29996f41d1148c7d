"""The commands that Django finds by the name of this package."""
