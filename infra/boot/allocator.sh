#!/bin/bash
# Makes an Ubuntu instance an allocator: mounts the data volume, installs Docker, and starts the containers. Its variables and write_files come
# from allocator-user-data.ts. It runs once for each instance; cloud-init keeps its output in /var/log/cloud-init-output.log.
set -euo pipefail

MOUNT=/var/lib/lablink
FILES=/opt/lablink

# Prints what is done, for the log.
step() { echo "LabLink: $*"; }

# Runs a command again until it succeeds: the network of a new instance takes a while.
retry() {
  local attempt
  for attempt in 1 2 3 4 5; do
    "$@" && return 0
    step "Attempt $attempt failed: $*"
    sleep "${LABLINK_RETRY_SECONDS:-10}"
  done
  step "ERROR: gave up: $*"
  return 1
}

# The volume is attached after the instance has started. Its name contains its id without the dash.
device="${LABLINK_DISKS:-/dev/disk/by-id}/nvme-Amazon_Elastic_Block_Store_${LABLINK_VOLUME/-/}"
step "Waiting for the data volume $LABLINK_VOLUME"
for _ in $(seq "${LABLINK_WAIT_SECONDS:-600}"); do
  [ -e "$device" ] && break
  sleep 1
done
if [ ! -e "$device" ]; then
  step "ERROR: the data volume $LABLINK_VOLUME was not attached"
  exit 1
fi
# Only a volume that has never been used is formatted.
if ! blkid "$device" >/dev/null; then
  step "Formatting the new data volume"
  mkfs.ext4 -q -L lablink "$device"
fi
mkdir -p "$MOUNT" "$FILES"
grep -q " $MOUNT " "${LABLINK_FSTAB:-/etc/fstab}" || echo "LABEL=lablink $MOUNT ext4 defaults,nofail 0 2" >>"${LABLINK_FSTAB:-/etc/fstab}"
# After a reboot, Docker starts the containers by itself: on the data, not on an empty folder.
units=${LABLINK_UNITS:-/etc/systemd/system}
mkdir -p "$units/docker.service.d"
printf '[Unit]\nRequiresMountsFor=%s\n' "$MOUNT" >"$units/docker.service.d/lablink.conf"
systemctl daemon-reload
mountpoint -q "$MOUNT" || mount "$MOUNT"

step "Installing Docker"
retry apt-get update -q
retry env DEBIAN_FRONTEND=noninteractive apt-get install -q -y docker.io docker-compose-v2

step "Starting the allocator"
cd "$FILES"
write_files
# The user of the image.
install --directory --owner=10001 --mode=700 "$MOUNT/data"
retry docker compose pull --quiet
docker compose up --detach --no-build
step "The allocator has been started"
