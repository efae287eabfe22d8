"""Everything that talks to Kaggle: credentials, the official client, its answers, downloads."""
