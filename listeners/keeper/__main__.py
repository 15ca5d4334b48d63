"""`python -m listeners.keeper`."""

from listeners.keeper.service import main

if __name__ == "__main__":
    main()
