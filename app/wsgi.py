"""The WSGI application gunicorn's workers serve: a world of its own in each, opened after the fork."""

import atexit

from app.factory import create_app
from mail.runtime.stored import open_stored

_opened = open_stored("web", size=8)
application = create_app(_opened.__enter__())
atexit.register(_opened.__exit__, None, None, None)
