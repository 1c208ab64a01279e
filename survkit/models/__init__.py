"""Every model by name, and models made of models."""
