"""Who trains: the systems that a retraining is asked of."""
