"""A job is asked for, followed and explained: the services of an application."""
