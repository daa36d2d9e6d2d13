"""One run of one handler: its calls, its steps, its journal, and its end. Pure."""
