"""Pure functions between the proto messages and the service's own types. Nothing else reads or builds a message."""
