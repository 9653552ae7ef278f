"""A private Postfix: its own config, queue, data and log below the test's folder; the machine's own instance is never touched."""
import os
import shutil
import subprocess

from lab import free_port, skip, until, wait_port

MASTER = """127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, folder, name, settings, mailboxes=(), services=""):
        if os.geteuid() != 0 or not os.path.exists("/usr/sbin/postfix"):
            skip("a private Postfix needs root and the package postfix")
        self.base = os.path.join(folder, name)
        self.conf, self.mail, self.port = self.base + "/conf", self.base + "/mail", free_port()
        self.log = self.base + "/maillog"
        for part in (self.base, self.conf, self.mail, self.base + "/queue", self.base + "/data"):
            os.makedirs(part)
        shutil.chown(self.base + "/data", "postfix")
        os.chown(self.mail, 65534, 65534)
        with open(self.conf + "/mailboxes", "w") as out:
            out.write("".join("%s %s/\n" % (m, m) for m in mailboxes))
        values = {"compatibility_level": "3.6", "queue_directory": self.base + "/queue", "data_directory": self.base + "/data", "mail_owner": "postfix", "maillog_file": self.log,
                  "maillog_file_prefixes": self.base, "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "myhostname": name + ".example", "mydestination": "", "alias_maps": "",
                  "alias_database": "", "local_recipient_maps": "", "mynetworks": "127.0.0.0/8", "smtpd_peername_lookup": "no", "smtp_dns_support_level": "disabled",
                  "smtp_host_lookup": "native", "virtual_mailbox_maps": "texthash:%s/mailboxes" % self.conf, "virtual_mailbox_base": self.mail, "virtual_uid_maps": "static:65534",
                  "virtual_gid_maps": "static:65534", "virtual_minimum_uid": "1", "virtual_transport": "virtual", "smtpd_relay_restrictions": "reject_unauth_destination",
                  "smtpd_client_event_limit_exceptions": "", "notify_classes": "", "mailbox_size_limit": "0", "virtual_mailbox_limit": "0"}
        values.update(settings)
        with open(self.conf + "/main.cf", "w") as out:
            out.write("".join("%s = %s\n" % pair for pair in values.items()))
        with open(self.conf + "/master.cf", "w") as out:
            out.write(MASTER % self.port + services)
        self.running = False
        self.start()

    def command(self, *words):
        return subprocess.run(["/usr/sbin/" + words[0], "-c", self.conf, *words[1:]], capture_output=True, timeout=60)

    def start(self):
        done = self.command("postfix", "start")
        self.running = True
        try:
            wait_port(self.port, 20)
        except RuntimeError:
            print(done.stderr.decode(), self.log_text()[-2000:])
            raise

    def stop(self):
        if not self.running:
            return
        self.running = False
        self.command("postfix", "stop")
        until(lambda: self.command("postfix", "status").returncode != 0, seconds=15)

    def change(self, **settings):
        """Stopped and started: after a reload, sessions that are open keep the old settings."""
        self.stop()
        for key, value in settings.items():
            self.command("postconf", "-e", "%s=%s" % (key, value))
        self.start()

    def log_text(self):
        return open(self.log, errors="replace").read() if os.path.exists(self.log) else ""

    def queued(self):
        return [l for l in self.command("postqueue", "-j").stdout.decode().split("\n") if l]

    def files(self, mailbox):
        folder = os.path.join(self.mail, mailbox, "new")
        return sorted(os.path.join(folder, f) for f in os.listdir(folder)) if os.path.isdir(folder) else []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log_text()[-3000:])
        self.stop()
