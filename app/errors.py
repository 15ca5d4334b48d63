"""Errors on the HTTP wire: the table from `mail.errors` to status codes, and the pages that say it.

Whoever asks for JSON gets JSON; a browser gets a small page. Neither shows a detail or a stack.
"""

import html

from flask import Flask, Response, jsonify, make_response, request
from werkzeug.exceptions import HTTPException

from mail import errors
from mail.errors import MailError
from mail.log import Log

STATUS: dict[type[MailError], int] = {
    errors.NotFound: 404,
    errors.NoSuchAddress: 404,
    errors.NoSuchMailbox: 404,
    errors.Exists: 409,
    errors.MailboxExists: 409,
    errors.MailboxHasChildren: 409,
    errors.Invalid: 400,
    errors.BadAddress: 400,
    errors.BadPassword: 400,
    errors.MailboxRefused: 400,
    errors.BadCredentials: 401,
    errors.LoginDisabled: 403,
    errors.NotAllowed: 403,
    errors.TooLarge: 413,
    errors.TooManyFailures: 429,
    errors.OverQuota: 507,
    errors.StorageFull: 507,
    errors.Busy: 503,
    errors.Unavailable: 503,
    errors.StorageFault: 503,
    MailError: 500,
}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


def status_of(error: MailError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(status: int, title: str, text: str) -> Response:
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        response = jsonify({"error": title, "message": text})
    else:
        response = make_response(PAGE.format(title=html.escape(title), text=html.escape(text)))
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="Mailstead administration", charset="UTF-8"'
    if status in (429, 503):
        response.headers["Retry-After"] = "60"
    return response


def register(app: Flask, log: Log) -> None:
    @app.errorhandler(HTTPException)
    def known(error: HTTPException) -> Response:
        status = error.code or 500
        response = answer(status, error.name, error.description or error.name)
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                response.headers[name] = value
        return response

    @app.errorhandler(MailError)
    def ours(error: MailError) -> Response:
        status = status_of(error)
        if status >= 500:
            log.error("request-failed", exc=error, path=request.path, method=request.method)
        return answer(status, type(error).__name__, error.public)

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> Response:
        log.error("request-failed", exc=error, path=request.path, method=request.method)
        return answer(500, "Internal error", "Something went wrong here; the log of the web program has the details.")
