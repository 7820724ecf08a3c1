"""De-identification of FHIR resources."""
