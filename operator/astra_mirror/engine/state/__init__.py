"""What the engine knows of one object, in groups. Each group is a frozen value that its own module alone replaces."""
