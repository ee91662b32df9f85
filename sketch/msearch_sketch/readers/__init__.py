"""Readers: one file per format, each a `Source` of Arrow record batches."""
