#!/usr/bin/env bash
# two-hosts.sh COMMAND...: runs a command under Open MPI's mpirun with one rank on each of two hosts. The hosts are network
# namespaces with addresses and names of their own, joined by a virtual cable, so that nothing but TCP is between them.
# Needs root. Exit status 77: this machine cannot have such hosts, and the last line says why.
set -euo pipefail

refuse() { echo "two hosts cannot be made here: $1"; exit 77; }
[ "$(id -u)" = 0 ] || refuse "only root can make network namespaces"
command -v ip >/dev/null || refuse "there is no 'ip'; run eng/mpi.sh, or install iproute2"
command -v mpirun.openmpi >/dev/null || refuse "there is no Open MPI; run eng/mpi.sh"

first=ranks-a-$$ second=ranks-b-$$ folder=$(mktemp -d)
cleanup() {
  ip netns del "$first" 2>/dev/null || true
  ip netns del "$second" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
error=$(ip netns add "$first" 2>&1 && ip netns add "$second" 2>&1) || refuse "$error"
error=$(ip link add eth0 netns "$first" type veth peer name eth0 netns "$second" 2>&1) || refuse "$error"
address() {
  ip -n "$1" link set lo up
  ip -n "$1" address add "$2/24" dev eth0
  ip -n "$1" link set eth0 up
}
address "$first" 10.77.0.1
address "$second" 10.77.0.2

# In the place of ssh: the command on the other host. Each host needs a name of its own, or ranks take each other for neighbours.
cat >"$folder/agent" <<AGENT
#!/bin/sh
shift
exec ip netns exec $second unshare --uts sh -c "hostname host-b; \$*"
AGENT
chmod +x "$folder/agent"
printf '10.77.0.1 slots=1\n10.77.0.2 slots=1\n' >"$folder/hosts"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ip netns exec "$first" unshare --uts sh -c 'hostname host-a; exec "$@"' sh \
  mpirun.openmpi --prtemca plm_ssh_agent "$folder/agent" --hostfile "$folder/hosts" --prtemca prte_if_include eth0 \
  --mca btl self,tcp --mca btl_tcp_if_include eth0 -n 2 "$@"
