"""The services of an application: they create jobs, follow them and explain why they wait."""
