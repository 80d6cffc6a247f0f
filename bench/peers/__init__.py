"""What Vaglio is measured beside: FastAGI servers written for the bench, and how each is started."""
