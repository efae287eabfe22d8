"""What a competition is, its metric, and one file for each competition."""
