#!/bin/bash
# Stand-in for docker: one container, whose files are a folder (`rootfs`) and whose programs are this machine's. Notes how
# it was called. Files in `control` say what goes wrong: `docker-down`, `pull-fails` (how often), `container-ends`,
# `runs-scripts` (an image of a published LabLink version, which runs the start-up script itself), `no-nvidia-runtime`.
set -euo pipefail
here=$STAND_IN
printf '%s' docker >>"$here/calls"
for argument in "$@"; do printf ' %s' "$argument" >>"$here/calls"; done
echo >>"$here/calls"
rootfs=$here/rootfs

# Paths of the container, as they are here.
within() {
  local given
  command=()
  for given in "$@"; do
    case $given in
      /*) command+=("$rootfs$given") ;;
      *) command+=("$given") ;;
    esac
  done
}

verb=$1
shift
if [ -e "$here/control/docker-down" ]; then
  echo 'Cannot connect to the Docker daemon.' >&2
  exit 1
fi
case $verb in
  info)
    if [[ $* != *Runtimes* ]]; then
      echo 29.0.1
    elif [ -e "$here/control/no-nvidia-runtime" ]; then
      echo '{"runc":{"path":"runc"}}'
    else
      echo '{"nvidia":{"path":"nvidia-container-runtime"},"runc":{"path":"runc"}}'
    fi
    ;;
  pull)
    left=$(cat "$here/control/pull-fails" 2>/dev/null || echo 0)
    if [ "$left" -gt 0 ]; then
      echo $((left - 1)) >"$here/control/pull-fails"
      echo "manifest for \"${*: -1}\" not found" >&2
      exit 1
    fi
    echo "${*: -1}"
    ;;
  run)
    previous=
    for argument in "$@"; do
      case $previous in
        --env) printf '%s=%s\n' "$argument" "${!argument}" >>"$here/environment" ;;
        --mount)
          source=${argument#*src=} target=${argument#*dst=}
          mkdir -p "$(dirname "$rootfs${target%%,*}")"
          ln -s "${source%%,*}" "$rootfs${target%%,*}"
          ;;
      esac
      previous=$argument
    done
    touch "$here/environment"
    if [ -e "$here/control/runs-scripts" ] && [ -e "$rootfs/docker_scripts/custom-startup.sh" ]; then
      LABLINK_STARTUP_PAUSE=0 LABLINK_STARTUP_FOLDER=$rootfs/lablink-startup bash "$rootfs/docker_scripts/custom-startup.sh" \
        >>"$here/container.log" 2>&1 &
    fi
    echo 0123456789ab
    ;;
  inspect) if [ -e "$here/control/container-ends" ]; then echo 'false 3'; else echo 'true 0'; fi ;;
  logs) echo 'the last words of the container' ;;
  stop) echo lablink ;;
  exec)
    folder=
    while [[ $1 == -* ]]; do
      case $1 in
        --interactive) shift ;;
        --workdir) folder=$rootfs$2 && shift 2 ;;
        --env) export "${2?}" && shift 2 ;;
        *) shift 2 ;;
      esac
    done
    shift
    within "$@"
    if [ -n "$folder" ]; then cd "$folder"; fi
    LABLINK_STARTUP_PAUSE=0 LABLINK_STARTUP_FOLDER=$rootfs/lablink-startup exec "${command[@]}"
    ;;
  *)
    echo "the stand-in for docker does not know: $verb" >&2
    exit 64
    ;;
esac
