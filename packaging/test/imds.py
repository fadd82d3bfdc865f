"""The instance metadata service of EC2, version 2 only, on a free port of loopback: imds.py ACCESS_KEY SECRET_KEY

Prints "ready ADDRESS", then one word for each request: token, role, credentials, refused, unknown.
"""

import datetime
import http.server
import json
import secrets
import sys

ROLE = "wazuh-manager"
PATH = "/latest/meta-data/iam/security-credentials/"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"


class Handler(http.server.BaseHTTPRequestHandler):
    token = secrets.token_urlsafe()

    def answer(self, word, code, body="", **headers):
        print(word, flush=True)
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self):
        if self.path != "/latest/api/token" or TTL not in self.headers:
            return self.answer("unknown", 400)
        self.answer("token", 200, self.token, **{TTL.replace("-", "_"): self.headers[TTL]})

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != self.token:
            return self.answer("refused", 401)
        if self.path == PATH:
            return self.answer("role", 200, ROLE)
        if self.path != PATH + ROLE:
            return self.answer("unknown", 404)
        # No session token, which real ones have: the S3 server of the tests knows no sessions and refuses one.
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        self.answer("credentials", 200, json.dumps({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": now.strftime(stamp),
            "AccessKeyId": sys.argv[1], "SecretAccessKey": sys.argv[2], "Token": "",
            "Expiration": (now + datetime.timedelta(hours=6)).strftime(stamp)}))

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("ready 127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
