"""From a source to records at rest: extract, de-identify, encrypt, catalogue; what must not pass goes to quarantine."""
