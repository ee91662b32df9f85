"""Runnable examples on public real data: the zoo of models, and the demo that searches it."""
