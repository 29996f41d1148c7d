"""The worker: takes entries from the inbox and calls the application with each of them."""
