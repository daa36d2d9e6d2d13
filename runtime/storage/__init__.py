"""All SQL of the project; no module outside this package contains any."""
