"""`python -m app.cli`, installed as `mailctl`."""

import sys

import click

from app.cli.commands import mailctl
from mail.errors import MailError


def main() -> None:
    """Exit code 0: done; 1: refused or not found; 2: wrong usage; 3: the bundle does not answer."""
    try:
        mailctl(prog_name="mailctl", standalone_mode=False)
    except MailError as error:
        click.echo(f"Error: {error.public}", err=True)
        sys.exit(3 if type(error).__name__ in ("Unavailable", "StorageFault") else 1)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)


if __name__ == "__main__":
    main()
