"""Classical and published deep models, adapted to the `SurvivalModel` protocol."""
