# The wire between this machine and the node, and the cgroup that its pods are in.
# Environment: NODE, the node's folder; LINK, HOST, ADDRESS, WHOLE; CGROUP.
set -eu
read -r init <"$NODE/init"
inside() { nsenter --target "$init" --mount --net --pid --ipc --uts "$@"; }
ip link add "$LINK" type veth peer name eth0 netns "$init"
ip address add "$HOST/30" dev "$LINK"
ip link set "$LINK" up
inside ip address add "$ADDRESS/30" dev eth0
inside ip link set eth0 up
inside ip route add default via "$HOST"
inside sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
ip route add "$WHOLE" via "$ADDRESS" dev "$LINK"

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    for controller in cpu cpuset hugetlb memory pids; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    done
    mkdir "/sys/fs/cgroup/$CGROUP"
    for controller in $(cat "/sys/fs/cgroup/$CGROUP/cgroup.controllers"); do
        echo "+$controller" >"/sys/fs/cgroup/$CGROUP/cgroup.subtree_control" 2>/dev/null || true
    done
else
    for hierarchy in /sys/fs/cgroup/*/; do
        # Some are links to others.
        [ -d "$hierarchy$CGROUP" ] || mkdir "$hierarchy$CGROUP" 2>/dev/null || true
    done
    for file in cpuset.cpus cpuset.mems; do
        if [ -f "/sys/fs/cgroup/cpuset/$file" ]; then cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$CGROUP/$file"; fi
    done
fi

# Whether the file system of the folder can carry image layers.
mkdir -p "$NODE/try/lower" "$NODE/try/upper" "$NODE/try/work" "$NODE/try/merged"
if inside mount -t overlay overlay -o "lowerdir=$NODE/try/lower,upperdir=$NODE/try/upper,workdir=$NODE/try/work" "$NODE/try/merged" 2>/dev/null; then
    inside umount "$NODE/try/merged"
    echo overlayfs
else
    echo native
fi
