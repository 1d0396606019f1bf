"""One storm: sender processes, their coordinator and the work beside them."""
