"""Long work of a process that answers people: begun by one request, looked at by others, until it is over."""
