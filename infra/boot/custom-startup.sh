#!/bin/bash
# Mounted into the container where published LabLink images look for a start-up script. Runs the real script once, and stores
# its exit status for the machine. The image calls this file at every start of the container.
folder=${LABLINK_STARTUP_FOLDER:-/lablink-startup}
if [ ! -e "$folder/exit" ]; then
  touch "$folder/begun"
  bash "$folder/script"
  echo $? >"$folder/exit.part"
  mv "$folder/exit.part" "$folder/exit"
fi
exit "$(cat "$folder/exit")"
