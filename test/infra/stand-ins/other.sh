#!/bin/bash
# Stand-in for programs of which only the call and the end matter; the file `control/<name>-fails` makes it fail.
set -euo pipefail
name=${0##*/}
echo "$name $*" >>"$STAND_IN/calls"
if [ -e "$STAND_IN/control/$name-fails" ]; then
  echo "$name: broken" >&2
  exit 9
fi
case "$name $*" in
  'dpkg --print-architecture') echo amd64 ;;
  dpkg\ --install*)
    mkdir -p "$LABLINK_ROOT/opt/aws/amazon-cloudwatch-agent/bin"
    ln -s "$0" "$LABLINK_ROOT/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
    ;;
  git\ clone*) mkdir "$(basename "$2" .git)" ;;
esac
