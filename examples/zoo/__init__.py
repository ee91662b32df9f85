"""The example zoo: five kinds of workload with models, cards, source samples, targets, and the truth apart."""
