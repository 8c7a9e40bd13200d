"""Patterns in incidents: what a person should know about the last day, and nothing that chance alone would show.

``incidents`` is the table that everything reads, ``templates`` turns messages into templates, ``sections`` holds one
pure function per question, ``report`` puts the answers together. No module knows the clock: the window and the time
zone are arguments.
"""
