# The emulators of AWS of a test run. Moto loads each service at its first request, which takes seconds of processor time: this
# process does it once, at the first connection, and then forks an emulator for each connection.
# Argument: the path of a socket. Each connection sends the path of a file for recorded requests, or an empty line, and receives
# the port of an emulator of its own, which ends when the connection is closed. This process ends with its standard input.
import logging
import os
import selectors
import signal
import socket
import sys
import threading

CREDENTIAL = "AWS4-HMAC-SHA256 Credential=testing/20250101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
FORM = "application/x-www-form-urlencoded"
LOGS = {"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}
# One request to each service that a launch uses.
REQUESTS = {
    "ec2": {"method": "POST", "data": "Action=DescribeInstances&Version=2016-11-15", "content_type": FORM},
    "iam": {"method": "POST", "data": "Action=ListRoles&Version=2010-05-08", "content_type": FORM},
    "sts": {"method": "POST", "data": "Action=GetCallerIdentity&Version=2011-06-15", "content_type": FORM},
    "logs": {"method": "POST", "data": "{}", "headers": LOGS},
    "lambda": {"path": "/2015-03-31/functions/"},
    "s3": {"path": "/"},
}


def load_application():
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.test import Client

    application = DomainDispatcherApplication(create_backend_app)
    client = Client(application)
    for service, request in REQUESTS.items():
        headers = {**request.get("headers", {}), "Authorization": CREDENTIAL.format(service)}
        response = client.open(**{**request, "headers": headers})
        if response.status_code != 200:
            raise RuntimeError(f"{service} answered {response.status}: {response.text}")
    client.post("/moto-api/reset")
    return application


def serve(application, connection):
    """Runs in the fork, until the connection is closed."""
    from moto.moto_api import recorder
    from moto.server import MotoRequestHandler
    from werkzeug.serving import make_server

    if recording := connection.makefile().readline().strip():
        os.environ.update(MOTO_ENABLE_RECORDING="true", MOTO_RECORDER_FILEPATH=recording)
        recorder.__init__()  # It reads the environment here only.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection.sendall(f"{server.port}\n".encode())
    connection.recv(1)


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    application = None
    while True:
        ready = [key.fileobj for key, _ in waiting.select()]
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        application = application or load_application()
        if os.fork() == 0:
            listener.close()
            try:
                serve(application, connection)
            finally:
                os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()
