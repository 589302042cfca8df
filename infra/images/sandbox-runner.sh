#!/bin/sh
# Docker hides parts of the container's /proc and makes /proc/sys read-only. A sandbox gets a /proc of its own, which the kernel allows only
# where a whole one can be seen already, and bubblewrap writes a limit there. So a whole one is mounted over it.
set -eu
mount -t proc -o nosuid,nodev,noexec proc /proc
exec node "$@"
