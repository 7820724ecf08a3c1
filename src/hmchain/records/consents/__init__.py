"""Patients' consents: read from FHIR R4, kept sealed in the hospital's catalogue, and decided use by use."""
