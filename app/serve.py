"""`app.serve`: gunicorn in this process, on the sockets the launcher bound."""

import os
import sys

from gunicorn.app.wsgiapp import WSGIApplication


def main() -> None:
    configuration = os.path.join(os.path.dirname(__file__), "gunicorn.conf.py")
    sys.argv = ["gunicorn", "-c", configuration, "--no-control-socket", "app.wsgi:application"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


if __name__ == "__main__":
    main()
