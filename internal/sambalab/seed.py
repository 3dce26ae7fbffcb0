# Fills a stopped domain: seed.py SMB_CONF SAM_LDB USERS COMPUTERS PHOTOS. All is one transaction in Samba's batch mode, since its databases grow slow by
# small ones. PHOTOS is a folder of JPEG files; each user gets one of them, with his number behind its end.
import glob
import os
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

conf, url, users, computers, photos = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
lp = LoadParm()
lp.load(conf)
sam = SamDB(url=url, session_info=system_session(lp), lp=lp, options=["batch_mode:1", "transaction_index_cache_size:200000"])
base = str(sam.domain_dn())
pictures = [open(name, "rb").read() for name in sorted(glob.glob(os.path.join(photos, "*.jpg")))]
groups = "OU=Groups," + base

sam.transaction_start()
members = []
for i in range(1, users + 1):
    name = "u%05d" % i
    dn = "CN=%s,OU=Staff,%s" % (name, base)
    sam.add({
        "dn": dn, "objectClass": ["top", "person", "organizationalPerson", "user"], "sAMAccountName": name,
        "userPrincipalName": name + "@corp.example", "displayName": "User %d" % i, "department": "Department %d" % (i % 20),
        "userAccountControl": "546" if i % 50 == 0 else "544", "thumbnailPhoto": pictures[i % len(pictures)] + i.to_bytes(4, "big"),
    })
    if i % 3 == 0:
        members.append(dn)
for i in range(1, computers + 1):
    name = "WS%05d" % i
    sam.add({
        "dn": "CN=%s,OU=Workstations,%s" % (name, base), "objectClass": ["top", "person", "organizationalPerson", "user", "computer"],
        "sAMAccountName": name + "$", "dNSHostName": name.lower() + ".corp.example", "userAccountControl": "4098" if i % 100 == 0 else "4096",
        "operatingSystem": "Windows 11 Enterprise", "operatingSystemVersion": "10.0 (22631)",
    })
sam.add({"dn": groups, "objectClass": ["top", "organizationalUnit"]})
sam.add({"dn": "CN=third," + groups, "objectClass": ["top", "group"], "sAMAccountName": "third", **({"member": members} if members else {})})
sam.transaction_commit()
