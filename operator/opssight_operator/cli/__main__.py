"""``python -m opssight_operator.cli``: the command line where no script is on the path, as in the image."""

from . import main

if __name__ == "__main__":
    main()
