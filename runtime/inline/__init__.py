"""Running one job where no service runs, in the thread that asks for it."""
