"""The REST API, `/v1`: a thin face of services and readers, as the command line is one.

`routing` makes a route of a function and a rule, and there is no route without a rule; `call` is what a route is
given; `problems` are errors (RFC 9457), `schemas` the services' own views as JSON schema; `routes` has a file a
resource. `app` puts it together.
"""
