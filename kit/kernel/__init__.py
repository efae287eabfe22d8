"""The offline notebook: its folder, its dataset, the check that it repeats the blend, the push."""
