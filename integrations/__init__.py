"""How each outside system says it. Vendor words end at these folders' edges."""
