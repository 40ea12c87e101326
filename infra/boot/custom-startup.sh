#!/bin/bash
# Mounted into the container where published LabLink images look for a start-up script. Runs the real script until it succeeds,
# three times at most: when many machines boot at once, what it downloads from may time out. Stores its exit status for the
# machine. The image calls this file at every start of the container.
folder=${LABLINK_STARTUP_FOLDER:-/lablink-startup}
attempts=3
pause=${LABLINK_STARTUP_PAUSE:-10}
if [ ! -e "$folder/exit" ]; then
  touch "$folder/begun"
  for ((attempt = 1; attempt <= attempts; attempt++)); do
    bash "$folder/script"
    code=$?
    if [ "$code" = 0 ]; then break; fi
    if [ "$attempt" = "$attempts" ]; then
      echo "ERROR: The start-up script failed $attempts times, the last time with exit status $code."
      break
    fi
    echo "The start-up script failed (exit status $code). It runs again in $pause s."
    sleep "$pause"
    pause=$((pause * 3))
  done
  echo "$code" >"$folder/exit.part"
  mv "$folder/exit.part" "$folder/exit"
fi
exit "$(cat "$folder/exit")"
