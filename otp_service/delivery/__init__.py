"""Getting a message to a phone: which gateway is asked, for how long, and what its answer means for the next step."""
