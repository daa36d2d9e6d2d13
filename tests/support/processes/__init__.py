"""Services, commands and pages as processes of their own."""
