"""Between the client's types and the messages of msearch.v1; nothing else in the package knows those messages."""
