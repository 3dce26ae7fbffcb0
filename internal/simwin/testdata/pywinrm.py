# Visits by pywinrm: open a shell, start a program, send its input, receive its output, close.
# Standard input is a list in JSON of what is wanted; standard output gets one of what came of each.
import base64, json, sys

import xmltodict
from winrm.exceptions import InvalidCredentialsError, WinRMError, WinRMTransportError
from winrm.protocol import Protocol

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


def send(p, shell, command, data, end):
    """Send is missing in pywinrm; the message is made of its own headers, and goes its own way."""
    envelope = p._get_soap_header(action=SHELL + "/Send", resource_uri=SHELL + "/cmd", shell_id=shell)
    stream = {"@Name": "stdin", "@CommandId": command, "#text": base64.b64encode(data).decode()}
    if end:
        stream["@End"] = "true"
    envelope["env:Body"] = {"rsp:Send": {"rsp:Stream": stream}}
    p.send_message(xmltodict.unparse({"env:Envelope": envelope}))


def visit(want):
    p = Protocol(endpoint=want["endpoint"], transport=want["transport"], username=want["user"], password=want["password"],
                 ca_trust_path=want.get("ca"), cert_pem=want.get("cert"), cert_key_pem=want.get("key"), message_encryption=want["encryption"])
    shell = p.open_shell(codepage=65001, noprofile=True)
    command = p.run_command(shell, want["program"], ["one", '"two  three"'], console_mode_stdin=False, skip_cmd_shell=True)
    data = base64.b64decode(want["input"])
    size = want["chunk"]
    for at in range(0, max(len(data), 1), size):
        send(p, shell, command, data[at:at + size], at + size >= len(data))
    out, err, code = p.get_command_output(shell, command)
    p.cleanup_command(shell, command)
    p.close_shell(shell)
    return {"stdout": base64.b64encode(out).decode(), "stderr": base64.b64encode(err).decode(), "code": code,
            "sealed": p.transport.encryption is not None}


def attempt(want):
    try:
        return visit(want)
    except InvalidCredentialsError as e:
        return {"failed": "credentials", "says": str(e)}
    except WinRMTransportError as e:
        return {"failed": "transport", "says": "%s %s" % (e.code, e.message)}
    except WinRMError as e:
        return {"failed": "fault", "says": str(e)}


json.dump([attempt(want) for want in json.load(sys.stdin)], sys.stdout)
