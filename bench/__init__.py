"""The measurements, each runnable by one command; `README.md` here says what they measure and how."""
