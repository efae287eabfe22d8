"""The offline notebook: its folder and dataset, the check against the blend, the push."""
