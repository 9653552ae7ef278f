"""A list of mlmmj behind a private Postfix: subject tag, footer, List-Id; it hands its mail back to that Postfix."""
import os
import shutil

from lab import skip

RECEIVE = "/usr/bin/mlmmj-receive"
# For master.cf; the list's folder is the next hop (Postfix' transport_maps).
SERVICE = "mlmmj unix - n n - - pipe flags=OR user=nobody argv=%s -F -L $nexthop\n" % RECEIVE


def make_list(folder, address, name, subscribers):
    """Gives the list's folder; use_postfix() when the port is known."""
    if not os.path.exists(RECEIVE):
        skip("mlmmj is not installed")
    local, path = address.split("@")[0], os.path.join(folder, address.replace("@", "-at-"))
    parts = ("incoming", "queue", "queue/discarded", "archive", "text", "subconf", "unsubconf", "bounce", "control", "moderation", "subscribers.d", "digesters.d", "nomailsubs.d", "requeue")
    for part in parts:
        os.makedirs(os.path.join(path, part))
    control = {"listaddress": address, "prefix": "[%s]" % local, "footer": "-- \nleave: %s+unsubscribe@%s" % tuple(address.split("@")), "owner": address.replace("@", "+owner@"),
               "customheaders": "List-Id: %s <%s>\nPrecedence: list" % (name, address.replace("@", ".")), "tocc": "", "notoccdenymails": "", "smtphelo": "list.example"}
    for key, value in control.items():
        put(path, "control/" + key, value + "\n")
    for each in subscribers:
        with open(os.path.join(path, "subscribers.d", each[0]), "a") as out:
            out.write(each + "\n")
    for root, folders, files in os.walk(path):
        for one in [root] + [os.path.join(root, f) for f in folders + files]:
            shutil.chown(one, "nobody", "nogroup")
    return path


def use_postfix(path, port):
    put(path, "control/relayhost", "127.0.0.1\n")
    put(path, "control/smtpport", "%d\n" % port)


def put(path, name, text):
    with open(os.path.join(path, name), "w") as out:
        out.write(text)
