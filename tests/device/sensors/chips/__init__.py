"""Register-level models of chips, one module each, written from the datasheets."""
