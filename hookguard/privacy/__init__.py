"""How text from the network is shown, and mistakes in place of a secret."""
