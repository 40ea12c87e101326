#!/bin/bash
# Within the container, at the place where images of the field look for a start-up script: runs the real one, once, and
# keeps its exit status where the machine sees it. Runs again with every start of the container.
folder=${LABLINK_STARTUP_FOLDER:-/lablink-startup}
if [ ! -e "$folder/exit" ]; then
  touch "$folder/begun"
  bash "$folder/script"
  echo $? >"$folder/exit.part"
  mv "$folder/exit.part" "$folder/exit"
fi
exit "$(cat "$folder/exit")"
