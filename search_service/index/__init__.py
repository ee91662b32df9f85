"""Exact adaptivity over a whole registry: an inverted index over the hash keys of signatures."""

from search_service.index.inverted import IndexSize, InvertedIndex

__all__ = ["IndexSize", "InvertedIndex"]
