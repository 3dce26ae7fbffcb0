# One side of an NTLM context, made by gss-ntlmssp through MIT's mechglue and python3-gssapi; NTLM_USER_FILE names the accounts.
# Arguments: accept or initiate, ntlm or spnego, the channel binding in base64 (empty for none), and for initiate the account.
# One request a line: a word and base64; the answer is "ok", two words and base64, or "error" and a text.
import base64, sys
import gssapi
from gssapi.raw import ChannelBindings, NameType, OID, RequirementFlag, unwrap, wrap

role, kind, bindings = sys.argv[1], sys.argv[2], base64.b64decode(sys.argv[3])
mech = OID.from_int_seq("1.3.6.1.4.1.311.2.2.10" if kind == "ntlm" else "1.3.6.1.5.5.2")
channel = ChannelBindings(application_data=bindings) if bindings else None
if role == "accept":
    context = gssapi.SecurityContext(usage="accept", creds=gssapi.Credentials(usage="accept", mechs=[mech]), channel_bindings=channel)
else:
    account = gssapi.Credentials(name=gssapi.Name(sys.argv[4], NameType.user), usage="initiate", mechs=[mech])
    context = gssapi.SecurityContext(usage="initiate", creds=account, mech=mech, channel_bindings=channel,
        name=gssapi.Name("HTTP@pc1.corp.example", NameType.hostbased_service),
        flags=[RequirementFlag.integrity, RequirementFlag.confidentiality, RequirementFlag.mutual_authentication])

for line in sys.stdin:
    word, _, data = line.strip().partition(" ")
    data = base64.b64decode(data)
    try:
        who, out = "-", b""
        if word == "step":
            out = context.step(data or None)
            if role == "accept" and context.complete:
                who = str(context.initiator_name).rstrip("\0")
        elif word == "wrap":
            out = wrap(context, data, True, None).message
        elif word == "echo":
            plain = unwrap(context, data)
            if not plain.encrypted:
                raise ValueError("the message was not encrypted")
            out = wrap(context, plain.message or b"nothing", True, None).message  # it wraps no empty message
        print("ok", "done" if context.complete else "more", who, base64.b64encode(out or b"").decode(), flush=True)
    except Exception as e:
        print("error", repr(e).replace("\n", " "), flush=True)
