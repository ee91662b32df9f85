"""How accurate is a model on data without labels: behaviour scores and the accuracy predictor. Pure."""
