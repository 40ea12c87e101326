#!/bin/bash
# Runs as root at the first boot of a client VM: schedules the shutdown, reports, sends logs, checks the GPU, starts the
# container, reports again. The user data (user-data.ts) sets the environment before this script.
# For tests: LABLINK_ROOT is the folder for all written files, and LABLINK_RETRY_SECONDS shortens the retries.
set -Eeuo pipefail
umask 022

root=${LABLINK_ROOT:-}
# How long reports to the allocator are retried, in seconds; some use a multiple or a fraction of it.
retry_seconds=${LABLINK_RETRY_SECONDS:-1800}
pause=${LABLINK_PAUSE:-5}
container=lablink
user=client
desktop=/home/client/Desktop
home=$root/var/lib/lablink
log=$root/var/log/lablink-boot.log
step=start
started=$(date +%s)

mkdir -p "$home" "$root/var/log" "$root/etc/systemd/system" "$root/usr/local/sbin" "$root/usr/local/bin"
exec > >(exec tee -a "$log") 2>&1

# Proxies refuse programs that do not say what they are.
curl() { command curl --user-agent LabLink-Boot/1.0 "$@"; }

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"; }

begin() {
  step=$1
  say "$step ..."
}

# json TEXT: prints a JSON string, without characters that are not printable ASCII.
json() {
  printf '"%s"' "$(printf %s "$1" | LC_ALL=C tr -cd '\40-\176' | sed 's/[\\"]/\\&/g')"
}

# post SECONDS PATH BODY: sends a request to the allocator, and retries for so many seconds while the allocator is
# unreachable or busy. The token is passed on standard input, so the list of processes does not show it.
post() {
  local until=$((SECONDS + $1)) wait=1 answer
  while :; do
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$API_TOKEN" |
      curl --silent --output /dev/null --write-out '%{http_code}' --max-time 20 --config - \
        --header 'Content-Type: application/json' --data-raw "$3" "$ALLOCATOR_URL$2") || :
    case $answer in
      2??) return 0 ;;
      000 | 408 | 429 | 5??) ;;
      *)
        say "The allocator rejected $2 ($answer)."
        return 1
        ;;
    esac
    if [ "$SECONDS" -ge "$until" ]; then
      say "The allocator did not answer $2 in time ($answer)."
      return 1
    fi
    sleep "$wait"
    wait=$((wait < 8 ? wait * 2 : 15))
  done
}

# report SECONDS STATUS: with the boot and the time since it began, so that a request that is held up and sent again is not taken
# for a newer one.
report() {
  local uptime
  read -r uptime _ </proc/uptime
  post "$1" /api/vm-status "{\"hostname\":$(json "$VM_NAME"),\"status\":\"$2\",\"boot_id\":$(json "$(</proc/sys/kernel/random/boot_id)"),\"uptime_ms\":$((10#${uptime/./} * 10))}"
}

# retry TIMES COMMAND...
retry() {
  local times=$1 try
  shift
  for ((try = 1; try <= times; try++)); do
    if "$@"; then return 0; fi
    if ((try < times)); then
      say "Try $try of $times failed: $1 ${2:-}"
      sleep $((pause * try))
    fi
  done
  return 1
}

# The end of the log as a request body: it reaches the machine's log page even if nothing else sends logs.
log_tail() {
  local line lines=
  while IFS= read -r line; do lines+=",$(json "$line")"; done < <(tail -n 20 "$log")
  printf '{"log_group":%s,"log_stream":%s,"messages":[%s%s]}' \
    "$(json "$CLOUD_INIT_LOG_GROUP")" "$(json "$VM_NAME")" "$(json "Boot failed at: $step. The last lines:")" "$lines"
}

# Reports every early exit: a command that fails, a signal, a bug in this script.
on_exit() {
  local code=$?
  trap - EXIT
  if [ "$code" != 0 ]; then
    set +e
    say "Boot failed at: $step (exit status $code)."
    # tee may still be writing the last lines.
    sleep 0.2
    report "$retry_seconds" error
    post 60 /api/vm-logs "$(log_tail)"
  fi
  exit "$code"
}
trap on_exit EXIT
trap 'exit 143' TERM INT HUP

fail() {
  step="$step: $1"
  exit 1
}

schedule_shutdown() {
  printf '%s\n' "$LABLINK_FILE_END" >"$root/usr/local/sbin/lablink-end"
  chmod 755 "$root/usr/local/sbin/lablink-end"
  if [ -n "$LABLINK_END_AT" ]; then "$root/usr/local/sbin/lablink-end" "$LABLINK_END_AT"; fi
}

# Sends the output of cloud-init, which includes this script, to the log stream with the machine's name.
send_logs() {
  local folder=$root/opt/aws/amazon-cloudwatch-agent package=$home/cloudwatch-agent.deb
  local site="https://amazoncloudwatch-agent-$AWS_REGION.s3.$AWS_REGION.amazonaws.com"
  if [ ! -x "$folder/bin/amazon-cloudwatch-agent-ctl" ]; then
    retry 3 curl --fail --silent --show-error --location --max-time 180 --output "$package" \
      "${LABLINK_CLOUDWATCH_SITE:-$site}/ubuntu/$(dpkg --print-architecture)/latest/amazon-cloudwatch-agent.deb" || return 1
    retry 6 dpkg --install "$package" || return 1
    rm -f "$package"
  fi
  mkdir -p "$folder/etc"
  cat >"$folder/etc/lablink.json" <<EOF
{
  "agent": { "region": $(json "$AWS_REGION") },
  "logs": { "logs_collected": { "files": { "collect_list": [
    { "file_path": "/var/log/cloud-init-output.log", "log_group_name": $(json "$CLOUD_INIT_LOG_GROUP"), "log_stream_name": $(json "$VM_NAME") }
  ] } } }
}
EOF
  "$folder/bin/amazon-cloudwatch-agent-ctl" -a fetch-config -m ec2 -s -c "file:$folder/etc/lablink.json"
}

# Sets `gpu`. An image without the driver is accepted; a driver that fails is an error.
check_gpu() {
  gpu=()
  if [ "$LABLINK_NVIDIA" != true ]; then return 0; fi
  if ! command -v nvidia-smi >/dev/null; then
    say 'This machine has an NVIDIA GPU, but its image (AMI) has no driver. The container gets no GPU.'
    return 0
  fi
  retry 5 nvidia-smi || fail 'nvidia-smi failed: the GPU or its driver does not work'
  gpu=(--gpus all)
  if docker info --format '{{json .Runtimes}}' | grep -q '"nvidia"'; then gpu=(--runtime=nvidia --gpus all); fi
}

# The start-up script of the config file runs once, in the container, and its exit status is kept. Published LabLink images
# run the file at this path by themselves; in other images this script runs it.
prepare_script() {
  script=()
  if [ -z "$LABLINK_STARTUP" ]; then return 0; fi
  mkdir -p "$home/startup"
  chmod 1777 "$home/startup"
  base64 -d <<<"$LABLINK_STARTUP" | gunzip >"$home/startup/script"
  printf '%s\n' "$LABLINK_FILE_STARTUP" >"$home/custom-startup.sh"
  chmod 755 "$home/startup/script" "$home/custom-startup.sh"
  script=(
    --mount "type=bind,src=$home/startup,dst=/lablink-startup"
    --mount "type=bind,src=$home/custom-startup.sh,dst=/docker_scripts/custom-startup.sh,readonly"
  )
}

start_container() {
  local name environment=()
  for name in ALLOCATOR_HOST ALLOCATOR_URL TUTORIAL_REPO_TO_CLONE VM_NAME SUBJECT_SOFTWARE CLOUD_INIT_LOG_GROUP AWS_REGION \
    STARTUP_ON_ERROR API_TOKEN; do
    # With our own agent on the machine, the container does not need the token.
    if [ "$name" = API_TOKEN ] && [ "$LABLINK_AGENT" = lablink ]; then continue; fi
    # Only the name, so the list of processes does not show the value.
    if [ -n "${!name:-}" ]; then environment+=(--env "$name"); fi
  done
  docker run --detach --name "$container" --restart unless-stopped --network host "${gpu[@]}" "${environment[@]}" \
    "${script[@]}" "$LABLINK_IMAGE"
}

is_up() { [ "$(docker inspect --format '{{.State.Running}} {{.RestartCount}}' "$container")" = 'true 0' ]; }

# A container that stops right after its start is an error.
check_container() {
  sleep "$pause"
  if is_up; then return 0; fi
  docker logs --tail 20 "$container" || :
  fail 'the container stopped by itself'
}

# Published LabLink images clone the repository by themselves.
clone_repository() {
  if [ -z "${TUTORIAL_REPO_TO_CLONE:-}" ]; then return 0; fi
  docker exec --user "$user" "$container" mkdir -p "$desktop"
  retry 3 docker exec --user "$user" --workdir "$desktop" "$container" git clone "$TUTORIAL_REPO_TO_CLONE" ||
    say "$TUTORIAL_REPO_TO_CLONE could not be cloned. Continuing without it."
}

# Waits until the image has run the start-up script. Fails if the script does not start or end in time.
await_script() {
  local until=$((SECONDS + retry_seconds)) start_by=$((SECONDS + retry_seconds / 3))
  while [ ! -e "$home/startup/exit" ]; do
    if ! is_up; then fail 'the container stopped before the start-up script ended'; fi
    if [ ! -e "$home/startup/begun" ] && [ "$SECONDS" -ge "$start_by" ]; then
      say 'The image does not run start-up scripts (/docker_scripts/custom-startup.sh).'
      return 1
    fi
    if [ "$SECONDS" -ge "$until" ]; then
      say 'The start-up script did not end in time.'
      return 1
    fi
    sleep 1
  done
}

run_script() {
  if [ ${#script[@]} = 0 ]; then return 0; fi
  local code=unknown
  if [ "$LABLINK_AGENT" = lablink ]; then
    docker exec "$container" bash /docker_scripts/custom-startup.sh || :
  else
    await_script || :
  fi
  if [ -e "$home/startup/exit" ]; then code=$(cat "$home/startup/exit"); fi
  if [ "$code" = 0 ]; then return 0; fi
  if [ "$STARTUP_ON_ERROR" != fail ]; then
    say "The start-up script failed (exit status $code). Continuing."
    return 0
  fi
  docker stop "$container" || :
  fail "the script failed (exit status $code)"
}

# setting NAME VALUE: prints a line for systemd's EnvironmentFile.
setting() {
  local value=${2//\\/\\\\}
  printf '%s="%s"\n' "$1" "${value//\"/\\\"}"
}

fetch_agent() {
  local site=$ALLOCATOR_URL/agent name=lablink-agent-linux-x64
  curl --fail --silent --show-error --max-time 300 --output "$name.gz" "$site/$name.gz" &&
    gunzip --force "$name.gz" &&
    curl --fail --silent --show-error --max-time 60 "$site/SHA256SUMS" | sha256sum --check --ignore-missing --strict
}

# Our agent runs on the machine, and uses `docker exec` to work in the container.
start_agent() {
  cd "$root/usr/local/bin"
  retry 5 fetch_agent || fail "the agent could not be downloaded from $ALLOCATOR_URL/agent (make agent builds it)"
  chmod 755 lablink-agent-linux-x64
  (
    umask 077
    {
      setting ALLOCATOR_URL "$ALLOCATOR_URL"
      setting VM_NAME "$VM_NAME"
      setting API_TOKEN "$API_TOKEN"
      setting SUBJECT_SOFTWARE "${SUBJECT_SOFTWARE:-}"
      setting LABLINK_AGENT_CONTAINER "$container"
      setting LABLINK_AGENT_CONTAINER_USER "$user"
      setting LABLINK_AGENT_FOLDER "$desktop"
      setting LABLINK_AGENT_LOGS "$root/var/log/lablink-agent/agent.log"
      setting LABLINK_AGENT_STATE "$root/var/lib/lablink-agent"
    } >"$root/etc/lablink-agent.env"
  )
  cat >"$root/etc/systemd/system/lablink-agent.service" <<EOF
[Unit]
Description=LabLink agent
Wants=network-online.target
After=network-online.target docker.service

[Service]
EnvironmentFile=$root/etc/lablink-agent.env
ExecStart=$root/usr/local/bin/lablink-agent-linux-x64
StateDirectory=lablink-agent
LogsDirectory=lablink-agent
StandardError=append:$root/var/log/lablink-agent/agent.log
Restart=always
RestartSec=5
KillMode=process

[Install]
WantedBy=multi-user.target
EOF
  systemctl daemon-reload
  systemctl enable --now lablink-agent.service
}

# timings START_NAME START END_NAME END DURATION_NAME
timings() {
  local body="{\"$1\":$2,\"$3\":$4,\"$5\":$(($4 - $2))}"
  post 120 "/api/vm-metrics/$VM_NAME" "$body" || :
}

begin 'scheduling the shutdown'
schedule_shutdown
begin 'reporting to the allocator'
report $((retry_seconds / 10)) initializing || :
begin 'starting the CloudWatch agent'
send_logs || say 'The CloudWatch agent does not run, so the logs of this machine do not reach the allocator. Continuing.'
begin 'checking Docker'
retry 5 docker info --format '{{.ServerVersion}}' || fail 'Docker does not run; use an image (AMI) with Docker'
begin 'checking the GPU'
check_gpu
begin "pulling the image $LABLINK_IMAGE"
retry 5 docker pull --quiet "$LABLINK_IMAGE"
begin 'preparing the start-up script'
prepare_script
container_start=$(date +%s)
begin 'starting the container'
start_container
check_container
if [ "$LABLINK_AGENT" = lablink ]; then
  begin 'cloning the repository'
  clone_repository
fi
begin 'running the start-up script'
run_script
if [ "$LABLINK_AGENT" = lablink ]; then
  begin 'starting the agent'
  start_agent
else
  begin 'reporting that the machine runs'
  # A working machine waits longer for an allocator that is down.
  report $((retry_seconds * 12)) running
fi
timings cloud_init_start "$started" cloud_init_end "$container_start" cloud_init_duration_seconds
timings container_start_time "$container_start" container_end_time "$(date +%s)" container_startup_duration_seconds
say 'Done.'
