"""HL7 v2: files of messages, and a listener for MLLP."""
