"""Edge detection as the BSDS benchmark scores it: a model's edges, or maps made elsewhere."""
