#!/bin/bash
# lablink-end EPOCH_SECONDS: this machine shuts itself down at that time, whatever happens to the allocator; with its
# shutdown behaviour `terminate` it is gone then, and costs nothing. Said again, the new time counts. It survives reboots.
# Lies at /usr/local/sbin/lablink-end on every client VM; over SSH: sudo /usr/local/sbin/lablink-end 1764093600
set -euo pipefail

root=${LABLINK_ROOT:-}
units=$root/etc/systemd/system
if [[ $# != 1 || ! $1 =~ ^[0-9]{1,11}$ ]]; then
  echo 'usage: lablink-end EPOCH_SECONDS' >&2
  exit 2
fi
at=$1
soonest=$(($(date +%s) + 60))
# A time that is over would never come.
if ((at < soonest)); then at=$soonest; fi
when=$(date --utc --date "@$at" '+%Y-%m-%d %H:%M:%S UTC')

cat >"$units/lablink-end.service" <<EOF
[Unit]
Description=The end of this LabLink machine

[Service]
Type=oneshot
ExecStart=/sbin/shutdown -P now
EOF
cat >"$units/lablink-end.timer" <<EOF
[Unit]
Description=The end of this LabLink machine, at $when

[Timer]
OnCalendar=$when
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
EOF
# A new time begins anew: Persistent= compares with the time at which the timer was last seen.
systemctl daemon-reload
systemctl enable --quiet lablink-end.timer
systemctl restart lablink-end.timer
echo "This machine ends at $when."
