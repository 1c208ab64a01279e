"""Discrete-time survival by Bayesian additive regression trees, with posteriors and effects."""
