"""How gunicorn serves the application: threads for pages, sockets from the launcher, no control socket.

gunicorn takes every name here that is a setting of its own (`config` is one), so what is imported is renamed.
"""

import os

from mail.config.settings import load_file as _load_file
from mail.runtime.world import settings_path as _settings_path

_settings = _load_file(_settings_path())

bind = [f"fd://{entry.partition('=')[2]}" for entry in os.environ["MAILSTEAD_SOCKETS"].split(",") if entry]
workers = _settings.web_workers
threads = _settings.web_threads
worker_class = "gthread"
# A heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Each worker opens its own database (security IN-4); sharing imports saved nothing when measured.
preload_app = False
timeout = 60
graceful_timeout = 30
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
forwarded_allow_ips = ""
umask = 0o027
proc_name = "mailstead-web"
accesslog = None
errorlog = "-"
loglevel = "warning"
