"""Training of the networks: the loop, checkpoints and the mirror to Weights & Biases."""
