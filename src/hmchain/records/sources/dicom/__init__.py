"""DICOM objects from files, archives and picture archiving systems (PACS)."""
