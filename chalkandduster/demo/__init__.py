"""A retail data set with flaws of every kind, and the walk through the API that finds them."""
