"""Federated learning: masking, aggregation, trainers."""
