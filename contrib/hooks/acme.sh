#!/bin/sh
# acme.sh: copy this to /usr/local/lib/tlsamgr/acme.sh (mode 0755), then, once:
#   acme.sh --install-cert -d mx1.example.com --reloadcmd /usr/local/lib/tlsamgr/acme.sh
# Leave out --key-file and --fullchain-file: acme.sh writes in place, and the
# mail server must read nothing but tlsamgr's live_dir.
# acme.sh sets CERT_KEY_PATH, CERT_FULLCHAIN_PATH and so on.
exec tlsamgr hook
