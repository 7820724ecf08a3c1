"""Security events: the defined list, and the chained log that every hospital keeps of them."""
