"""What comes from outside, checked before anything is done with it. Pure."""
