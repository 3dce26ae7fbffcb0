# An LDAP server that signs clients in and finds nothing. Kerberos is MIT's library's, TLS is Python's, messages are read here: nothing of it is ours. It
# is as strict as a domain controller that is set to be: channel bindings are demanded, a second protection within TLS is refused.
# The argument is JSON: certificate (a file with certificate and key; empty for none), starttls (TLS begins on request), binding (base64 of the channel
# binding that is demanded; "own" for that of the certificate; empty for none), clients (a file of authorities whose certificates sign clients in),
# accounts (the client's common name: its account), offer (base64 of the security layers that are offered), sealed (the offer is sealed, as it must not
# be), chunk (the longest piece of an answer that is sealed in one).
import base64, hashlib, json, re, ssl, socketserver, struct, sys
import gssapi
from gssapi.raw import ChannelBindings, RequirementFlag, unwrap, wrap

options = json.loads(sys.argv[1])
gssapi.SecurityContext.__DEFER_STEP_ERRORS__ = False  # a refused token is refused at once
START_TLS, WHO_AM_I = b"1.3.6.1.4.1.1466.20037", b"1.3.6.1.4.1.4203.1.11.3"
BAD_BINDINGS = b"80090346: LdapErr: DSID-0C0906B0, comment: AcceptSecurityContext error, data 80090346, v4563\0"
REFUSED = b"8009030C: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 52e, v4563\0"
TWICE = b"00002029: LdapErr: DSID-0C0901FC, comment: Cannot start kerberos signing/sealing when using TLS/SSL, data 0, v4563\0"
EXTERNAL = b"00002022: LdapErr: DSID-0C090620, comment: EXTERNAL bind is not allowed, data 0, v4563\0"

def bindings():
    if options["binding"] == "own":
        with open(options["certificate"]) as f:
            der = ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", f.read(), re.S).group())
        return ChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest())
    return ChannelBindings(application_data=base64.b64decode(options["binding"])) if options["binding"] else None

def element(tag, *parts):  # with lengths in four bytes, as Windows writes them
    body = b"".join(parts)
    return bytes([tag, 0x84]) + struct.pack(">I", len(body)) + body

def elements(body):
    while body:
        tag, size, at = body[0], body[1], 2
        if size & 0x80:
            at, size = 2 + (size & 0x7f), int.from_bytes(body[2:2 + (size & 0x7f)], "big")
        yield tag, body[at:at + size]
        body = body[at + size:]

class Refused(Exception):
    pass

class Handler(socketserver.BaseRequestHandler):
    def setup(self):
        self.context, self.step, self.layer, self.buffers, self.who, self.pending = None, 0, 0, [], "", b""
        self.tls = False
        if options["certificate"] and not options["starttls"]:
            self.start_tls()

    def start_tls(self):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(options["certificate"])
        if options["clients"]:
            server.load_verify_locations(options["clients"])
            server.verify_mode = ssl.CERT_OPTIONAL
        self.request = server.wrap_socket(self.request, server_side=True)
        self.tls = True

    def certified(self):
        names = dict(x[0] for x in (self.request.getpeercert() or {}).get("subject", ())) if self.tls else {}
        return options["accounts"].get(names.get("commonName"), "")

    def exactly(self, n):
        b = b""
        while len(b) < n:
            part = self.request.recv(n - len(b))
            if not part:
                raise EOFError("the client is gone")
            b += part
        return b

    def read(self, n):
        if self.layer != 4:
            return self.exactly(n)
        while len(self.pending) < n:
            size = struct.unpack(">I", self.exactly(4))[0]
            most = int.from_bytes(base64.b64decode(options["offer"])[1:], "big")
            if size > most:
                raise Refused("a buffer of %d bytes, of which %d are allowed" % (size, most))
            plain = unwrap(self.context, self.exactly(size))
            if not plain.encrypted:
                raise Refused("a message that is not sealed")
            self.buffers.append(size)
            self.pending += plain.message
        b, self.pending = self.pending[:n], self.pending[n:]
        return b

    def message(self):
        head = self.read(2)
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(self.read(size & 0x7f), "big")
        (_, number), (op, body) = list(elements(self.read(size)))[:2]
        return number, op, body

    def send(self, number, op, *parts):
        b = element(0x30, element(0x02, number), element(op, *parts))
        if self.layer != 4:
            return self.request.sendall(b)
        for i in range(0, len(b), options["chunk"]):
            sealed = wrap(self.context, b[i:i + options["chunk"]], True, None).message
            self.request.sendall(struct.pack(">I", len(sealed)) + sealed)

    def result(self, number, op, code, text=b"", *more):
        self.send(number, op, element(0x0a, bytes([code])), element(0x04, b""), element(0x04, text), *more)

    def finish(self):
        self.request.close()  # that of TLS, too

    def handle(self):
        try:
            while True:
                number, op, body = self.message()
                if op == 0x42:
                    return
                {0x60: self.bind, 0x63: self.search, 0x77: self.extended}[op](number, body)
        except (EOFError, ConnectionError, ssl.SSLError):
            pass
        except Exception as e:
            print("error", repr(e).replace("\n", " "), flush=True)

    def bind(self, number, body):
        method, body = list(elements(body))[2]
        parts = list(elements(body))
        mechanism, token = parts[0][1], parts[1][1] if len(parts) > 1 else None
        if method != 0xa3 or mechanism not in (b"GSSAPI", b"EXTERNAL"):
            return self.result(number, 0x61, 7)
        if mechanism == b"EXTERNAL":
            if not options["starttls"]:
                return self.result(number, 0x61, 53, EXTERNAL)
            if not self.certified():
                return self.result(number, 0x61, 49, REFUSED)
            self.who = self.certified()
            return self.result(number, 0x61, 0)
        try:
            self.gssapi(number, token)
        except gssapi.exceptions.BadChannelBindingsError:
            self.result(number, 0x61, 49, BAD_BINDINGS)
        except gssapi.exceptions.GSSError as e:
            print("error", repr(e).replace("\n", " "), flush=True)
            self.result(number, 0x61, 49, REFUSED, *([element(0x87, e.token)] if e.token else []))

    def gssapi(self, number, token):
        self.step += 1
        if self.step == 1:
            self.context = gssapi.SecurityContext(usage="accept", channel_bindings=bindings())
            out = self.context.step(token)
            flags = self.context.actual_flags
            if options["binding"] and not flags & RequirementFlag.channel_bound:
                return self.result(number, 0x61, 49, BAD_BINDINGS)
            if self.tls and flags & (RequirementFlag.confidentiality | RequirementFlag.integrity):
                return self.result(number, 0x61, 53, TWICE)
            self.result(number, 0x61, 14, b"", element(0x87, out))
        elif self.step == 2:
            if token != b"":
                raise Refused("the client answers nothing with a token")
            offer = wrap(self.context, base64.b64decode(options["offer"]), options["sealed"], None).message
            self.result(number, 0x61, 14, b"", element(0x87, offer))
        else:
            choice = unwrap(self.context, token)
            if choice.encrypted or len(choice.message) != 4:
                raise Refused("the choice is sealed, or of another length")
            layer, most = choice.message[0], int.from_bytes(choice.message[1:], "big")
            if layer not in (1, 2, 4) or not layer & base64.b64decode(options["offer"])[0]:
                return self.result(number, 0x61, 49, REFUSED)
            self.who = str(self.context.initiator_name)
            self.result(number, 0x61, 0)
            self.layer = layer
            print("signed-in", self.who, "layer", layer, "at most", most, flush=True)

    def search(self, number, body):
        if not self.who and not self.certified():
            return self.result(number, 0x65, 1, b"000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed\0")
        if self.buffers:
            print("search in", len(self.buffers), "buffers", flush=True)
        self.buffers = []
        self.result(number, 0x65, 0)

    def extended(self, number, body):
        name = next(elements(body))[1]
        if name == START_TLS and options["starttls"] and not self.tls:
            self.result(number, 0x78, 0, b"", element(0x8a, START_TLS))
            return self.start_tls()
        if name == WHO_AM_I:
            who = self.who or ("" if options["starttls"] else self.certified())
            return self.result(number, 0x78, 0, b"", element(0x8b, ("u:" + who if who else "").encode()))
        self.result(number, 0x78, 2)

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (OSError, EOFError)):
            print("error", repr(sys.exc_info()[1]).replace("\n", " "), flush=True)

server = Server(("127.0.0.1", 0), Handler)
print("listening", server.server_address[1], flush=True)
server.serve_forever()
