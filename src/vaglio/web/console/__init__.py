"""The console: pages rendered here, for people with an account and a browser."""
