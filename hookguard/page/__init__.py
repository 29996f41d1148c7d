"""The page: where operators see what is waiting, dead and done in an inbox, and may rerun and drop entries, with a reason."""
