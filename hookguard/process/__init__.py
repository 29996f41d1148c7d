"""The running process: its locks, its threads, and the settings of its server."""
