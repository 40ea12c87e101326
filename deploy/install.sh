#!/bin/sh
# `make install` and `make uninstall`: puts dist/lablink (`make bundle`) and its unit in place, or removes them.
# PREFIX is the folder of the program, DESTDIR a root to install into (for packages: no user is made, systemd is left alone).
# Configuration and data stay when it is uninstalled, unless PURGE=yes.
set -eu
cd "$(dirname "$0")/.."
PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
library=$DESTDIR$PREFIX/lib/lablink
command=$DESTDIR$PREFIX/bin/lablink
unit=$DESTDIR$PREFIX/lib/systemd/system/lablink.service
guide=$DESTDIR$PREFIX/share/doc/lablink
settings=$DESTDIR/etc/lablink
data=$DESTDIR/var/lib/lablink
cache=$DESTDIR/var/cache/lablink

# What a command beside the service has in common with it: lines of the unit, as options of systemd-run.
as_options() {
  sed -n -E 's/^((User|Group|UMask|Environment|EnvironmentFile|WorkingDirectory)=.*)$/-p "\1"/p' "$1" | paste -s -d ' '
}

runs_systemd() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; }

install_all() {
  if [ -z "$DESTDIR" ] && ! getent passwd lablink >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/lablink --shell /usr/sbin/nologin lablink
  fi
  mkdir -p "$(dirname "$library")" "$(dirname "$command")" "$(dirname "$unit")" "$guide"
  # Beside the old one first: a running allocator reads its templates and static files at its start only.
  rm -rf "$library.new"
  cp -R dist/lablink "$library.new"
  cp -L "$(command -v node)" "$library.new/bin/node"
  chmod -R u=rwX,go=rX "$library.new"
  rm -rf "$library"
  mv "$library.new" "$library"
  sed -e "s|@UNIT@|$(as_options deploy/lablink.service)|" -e "s|/usr/local|$PREFIX|g" deploy/lablink.sh >"$command.new"
  chmod 755 "$command.new"
  mv -f "$command.new" "$command"
  install -m 644 docs/*.md "$guide"
  sed "s|/usr/local|$PREFIX|g" deploy/lablink.service >"$unit"
  chmod 644 "$unit"
  install -d -m 755 "$settings"
  # As the unit has them, for commands before its first start. In a package, systemd gives them to the user then.
  install -d -m 700 "$data"
  install -d -m 755 "$cache"
  if [ -z "$DESTDIR" ]; then chown lablink:lablink "$data" "$cache"; fi
  [ -e "$settings/lablink.env" ] || install -m 600 deploy/lablink.env.example "$settings/lablink.env"
  if runs_systemd; then systemctl daemon-reload; fi
  echo "Installed in $DESTDIR$PREFIX. Settings: $settings/lablink.env. Start it: systemctl enable --now lablink"
}

uninstall_all() {
  if runs_systemd; then systemctl disable --now lablink 2>/dev/null || true; fi
  rm -rf "$library" "$command" "$unit" "$guide"
  if runs_systemd; then systemctl daemon-reload; fi
  if [ "${PURGE:-}" = yes ]; then
    rm -rf "$settings" "$data" "$cache"
    if [ -z "$DESTDIR" ] && getent passwd lablink >/dev/null; then userdel lablink; fi
    echo "Removed, with all settings and data."
  else
    echo "Removed. Settings in $settings and data in $data stay; PURGE=yes removes them too."
  fi
}

case ${1:-} in
  install) install_all ;;
  uninstall) uninstall_all ;;
  *) echo "usage: $0 install|uninstall" >&2; exit 2 ;;
esac
