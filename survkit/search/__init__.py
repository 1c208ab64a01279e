"""Searches the hyperparameters of a model on validation rows alone; tests the chosen ones once."""
