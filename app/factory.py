"""Makes the Flask application from a world. Importing this opens nothing."""

from flask import Flask, Response

from app import errors
from app.webapi import operations
from mail.rpc import BlockingClient
from mail.runtime.stored import StoredWorld

# No inline script, no foreign origin, no frame (security WE-5).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
BODY_MAX = 1 << 20


def create_app(world: StoredWorld) -> Flask:
    """The application. Each request that needs an inner service asks through the clients kept here."""
    app = Flask("app", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=BODY_MAX, PROPAGATE_EXCEPTIONS=False)
    app.extensions["world"] = world
    app.extensions["keeper"] = BlockingClient(world.settings.keeper_socket, timeout=10)
    app.extensions["auth"] = BlockingClient(world.settings.auth_socket, timeout=15)
    app.extensions["sign"] = BlockingClient(world.settings.sign_socket, timeout=10)
    app.register_blueprint(operations.blueprint)
    errors.register(app, world.log)
    requests = world.metrics.counter("mailstead_web_requests_total", "Requests by status class.", ("status",))

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        requests.labels(f"{response.status_code // 100}xx").inc()
        return response

    return app
