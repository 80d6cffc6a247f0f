"""index.db: what is known about numbers; `reader` answers the hot path, `store` writes, the rest brings facts."""
