"""`python -m listeners.auth`."""

from listeners.auth.service import main

if __name__ == "__main__":
    main()
