"""How well scores and predictors order the zoo's models for unlabelled targets: parts of `bench_quality`."""
