# A service built on MIT's GSSAPI: it takes tokens, unwraps what is sealed and seals it again, all by the library.
# One request a line: a word and base64; the answer is "ok", words and base64, or "error" and a text.
import base64, sys
import gssapi
from gssapi.raw import wrap, wrap_iov, unwrap, IOV, IOVBufferType, ChannelBindings

bindings = base64.b64decode(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
channel = ChannelBindings(application_data=bindings) if bindings else None
context = gssapi.SecurityContext(usage="accept", channel_bindings=channel)

def say(*words):
    print(*words, flush=True)

def b64(b):
    return base64.b64encode(b or b"").decode()

for line in sys.stdin:
    word, _, data = line.strip().partition(" ")
    data = base64.b64decode(data)
    try:
        if word == "step":
            out = context.step(data)
            say("ok", "done" if context.complete else "more", str(context.initiator_name) if context.complete else "-", b64(out))
        elif word == "sign":
            plain = unwrap(context, data)
            if plain.encrypted:
                raise ValueError("the message was encrypted")
            say("ok", "-", "-", b64(wrap(context, plain.message or b"nothing", False, None).message))
        elif word == "echo":
            plain = unwrap(context, data)
            if not plain.encrypted:
                raise ValueError("the message was not encrypted")
            if not plain.message:  # wrap_iov takes no empty buffer
                whole = wrap(context, b"", True, None).message
                say("ok", str(len(whole)), "0", b64(whole))
                continue
            message = IOV(IOVBufferType.header, (IOVBufferType.data, plain.message), IOVBufferType.padding, std_layout=False)
            wrap_iov(context, message, confidential=True, qop=None)
            header, sealed, padding = [m.value or b"" for m in message]
            if padding:
                raise ValueError("the library padded the message")
            say("ok", str(len(header)), str(len(plain.message)), b64(header + sealed))
    except Exception as e:
        say("error", repr(e).replace("\n", " "))
