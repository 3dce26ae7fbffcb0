# An HTTP service that takes sealed messages as WinRM does (MS-WSMV 2.2.9.1) and answers each with itself, sealed anew. Tokens and seals are MIT's
# library's and gss-ntlmssp's, frames are read here, strictly, and TLS is Python's: nothing of it is ours.
# The argument is JSON: certificate (a file with certificate and key; empty for plain HTTP), binding (base64 of the channel binding that is
# required to match; "own" for that of the certificate; empty for none), loose (write frames as careless peers do).
import base64, hashlib, http.server, json, re, ssl, struct, sys
import gssapi
from gssapi.raw import IOV, IOVBufferType, ChannelBindings, OID, unwrap, wrap, wrap_iov

options = json.loads(sys.argv[1])
ntlm = OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")

def binding():
    if options["binding"] == "own":
        with open(options["certificate"]) as f:
            der = ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", f.read(), re.S).group())
        return ChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest())
    return ChannelBindings(application_data=base64.b64decode(options["binding"])) if options["binding"] else None

def read_frame(content_type, body):
    protocols = ("application/HTTP-SPNEGO-session-encrypted", "application/HTTP-Kerberos-session-encrypted")
    protocol = re.fullmatch(r'multipart/encrypted;protocol="([^"]+)";boundary="Encrypted Boundary"', content_type).group(1)
    if protocol not in protocols:
        raise ValueError("protocol " + protocol)
    frame = re.compile(rb"--Encrypted Boundary\r\n\tContent-Type: " + re.escape(protocol).encode() +
        rb"\r\n\tOriginalContent: type=application/soap\+xml;charset=UTF-8;Length=([0-9]+)\r\n"
        rb"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n").match(body)
    end = b"--Encrypted Boundary--\r\n"
    if frame is None or not body.endswith(end):
        raise ValueError("the frame is not that of MS-WSMV 2.2.9.1")
    data = body[frame.end():-len(end)]
    header = struct.unpack("<I", data[:4])[0]
    if len(data) - 4 - header != int(frame.group(1)):
        raise ValueError("the lengths do not agree")
    return protocol, data[4:]

def seal(context, message):
    if context.mech == ntlm or options["loose"]:  # in one piece: of Kerberos, RRC is 0 then
        whole = wrap(context, message, True, None).message
        return whole[:len(whole) - len(message)], whole[len(whole) - len(message):]
    parts = IOV(IOVBufferType.header, (IOVBufferType.data, message), IOVBufferType.padding, std_layout=False)
    wrap_iov(context, parts, confidential=True, qop=None)
    return parts[0].value, parts[1].value

def write_frame(protocol, context, message):
    header, data = seal(context, message)
    tab, gap = ("", "\r\n") if options["loose"] else ("\t", "")
    head = (f"--Encrypted Boundary\r\n{tab}Content-Type: {protocol}\r\n{tab}OriginalContent: type=application/soap+xml;charset=UTF-8;"
        f"Length={len(message)}\r\n{gap}--Encrypted Boundary\r\n{tab}Content-Type: application/octet-stream\r\n").encode()
    return head + struct.pack("<I", len(header)) + header + data + gap.encode() + b"--Encrypted Boundary--\r\n"

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    context = None

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            if scheme:
                return self.sign_in(scheme, base64.b64decode(token))
            self.message(body)
        except Exception as e:
            print("error", repr(e).replace("\n", " "), flush=True)
            self.answer(401, WWW_Authenticate="Negotiate")

    def sign_in(self, scheme, token):
        if self.context is None or self.context.complete:
            creds = gssapi.Credentials(usage="accept", mechs=[ntlm]) if token.startswith(b"NTLMSSP") else None
            self.context = gssapi.SecurityContext(usage="accept", creds=creds, channel_bindings=binding())
        out = self.context.step(token)
        fields = {"WWW_Authenticate": scheme + " " + base64.b64encode(out).decode()} if out else {}
        if self.context.complete:
            print("signed-in", scheme, str(self.context.initiator_name).rstrip("\0"), flush=True)
            return self.answer(200, **fields)
        self.answer(401, **fields)

    def message(self, body):
        if self.context is None or not self.context.complete:
            raise ValueError("a message without a sign-in")
        if options["certificate"]:
            return self.answer(200, body, Content_Type="application/soap+xml;charset=UTF-8")
        protocol, sealed = read_frame(self.headers["Content-Type"], body)
        plain = unwrap(self.context, sealed)
        if not plain.encrypted:
            raise ValueError("the message was not encrypted")
        message = plain.message or b"nothing"
        status = 500 if message.startswith(b"fault") else 200
        self.answer(status, write_frame(protocol, self.context, message), Content_Type=f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"')

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if options["certificate"]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options["certificate"])
    server.socket = tls.wrap_socket(server.socket, server_side=True)
print("listening", server.server_address[1], flush=True)
server.serve_forever()
