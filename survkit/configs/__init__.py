"""What can be configured, and how flags and `.args` files are read."""
