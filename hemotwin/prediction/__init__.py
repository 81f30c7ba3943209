"""Forward: simulate a model, predict what a calibrated twin would do."""
