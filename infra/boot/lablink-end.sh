#!/bin/bash
# lablink-end EPOCH_SECONDS: schedules the shutdown of this machine, independent of the allocator. A shutdown terminates the
# instance, so it costs nothing afterwards. A later call replaces the time. The timer survives reboots.
# Installed on every client VM; over SSH: sudo /usr/local/sbin/lablink-end 1764093600
set -euo pipefail

root=${LABLINK_ROOT:-}
units=$root/etc/systemd/system
if [[ $# != 1 || ! $1 =~ ^[0-9]{1,11}$ ]]; then
  echo 'usage: lablink-end EPOCH_SECONDS' >&2
  exit 2
fi
at=$1
soonest=$(($(date +%s) + 60))
# A timer for a past time would never fire.
if ((at < soonest)); then at=$soonest; fi
when=$(date --utc --date "@$at" '+%Y-%m-%d %H:%M:%S UTC')

cat >"$units/lablink-end.service" <<EOF
[Unit]
Description=Shutdown of this LabLink machine

[Service]
Type=oneshot
ExecStart=/sbin/shutdown -P now
EOF
cat >"$units/lablink-end.timer" <<EOF
[Unit]
Description=Shutdown of this LabLink machine at $when

[Timer]
OnCalendar=$when
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
EOF
# Restart the timer: Persistent= compares the new time with the last activation.
systemctl daemon-reload
systemctl enable --quiet lablink-end.timer
systemctl restart lablink-end.timer
echo "This machine shuts down at $when."
