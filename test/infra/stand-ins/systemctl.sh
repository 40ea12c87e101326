#!/bin/bash
# Stand-in for systemctl: notes how it was called, and starts the agent's unit as it says.
set -euo pipefail
here=$STAND_IN
echo "systemctl $*" >>"$here/calls"
if [ -e "$here/control/no-systemd" ]; then
  echo 'Failed to connect to bus' >&2
  exit 1
fi
if [ "$*" != 'enable --now lablink-agent.service' ]; then exit 0; fi
unit=$LABLINK_ROOT/etc/systemd/system/lablink-agent.service
of() { sed -n "s|^$1=||p" "$unit"; }
log=$(of StandardError)
mkdir -p "$(dirname "${log#append:}")"
set -a
# shellcheck source=/dev/null
. "$(of EnvironmentFile)"
set +a
setsid "$(of ExecStart)" >/dev/null 2>>"${log#append:}" &
echo $! >"$here/agent.pid"
