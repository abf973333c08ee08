# The first process of the node: namespaces for its processes, mounts and network end with it, and everything in them.
# Environment: NODE, the node's folder; CGROUP.
set -eu
read -r pid _ </proc/self/stat
mount -t proc proc /proc
# What the container runtime keeps under fixed paths.
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /run/lock /var/lib/cni
mount -t tmpfs -o mode=755 tmpfs /var/lib/cni
ip link set lo up
echo "$pid" >"$NODE/init.unfinished"
mv "$NODE/init.unfinished" "$NODE/init"
# A shell that waits also takes leave of what is left to it.
while :; do
    sleep 86400 &
    wait
done
