"""The command line: one file a command group. Exit 0: done or allowed; 1: the answer is no; 2: wrong use."""
