"""What holds for all tests."""

from hypothesis import settings

# An example has no time limit: on a machine that does other work too it says nothing about the code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
