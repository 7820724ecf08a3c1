"""Records that travel between hospitals under a permit: giving, receiving, and erasing what is over."""
