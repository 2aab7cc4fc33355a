"""The loop: what is known of each object, when it is polled, by which requests, and when its status is written.

It decides nothing that a function of values in core/ can decide, and knows the two sides by its ports alone.
"""
