"""The kinds of steps, a file each."""
