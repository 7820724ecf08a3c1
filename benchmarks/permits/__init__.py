"""A made-up ledger of requests and permits."""
