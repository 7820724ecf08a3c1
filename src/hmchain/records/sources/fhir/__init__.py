"""FHIR R4: files, and servers by search or bulk export."""
