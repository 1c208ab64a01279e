"""What a dataset holds: how it was read, its subjects, missing values and follow-up."""
