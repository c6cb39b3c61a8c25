"""One file a command of the command line, each a thin layer over the packages."""
