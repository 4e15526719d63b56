"""Edge maps against people's boundaries, as the BSDS benchmark scores them."""
