"""`python -m listeners.sign`."""

from listeners.sign.service import main

if __name__ == "__main__":
    main()
