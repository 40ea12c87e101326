#!/bin/sh
# The command `lablink` where it is installed as a service: runs as the unit does, with its settings, which only root can read.
# The service itself, and an allocator of your own, run /usr/local/lib/lablink/bin/lablink.
set -eu
if [ "$(id -u)" != 0 ]; then
  echo "lablink needs the settings of the service, which only root can read. Use: sudo lablink $*" >&2
  exit 1
fi
exec systemd-run --pty --pipe --wait --collect --quiet @UNIT@ -p "SupplementaryGroups=systemd-journal" /usr/local/lib/lablink/bin/lablink "$@"
