# Run when all of the node's processes have been told to end. Environment of the keeper; LINK and CGROUP are put before this.
if read -r init <"$FOLDER/node/init"; then
    tries=200
    while [ -d "/proc/$init" ] && [ "$tries" -gt 0 ]; do sleep 0.05; tries=$((tries - 1)); done
fi
ip link delete "$LINK" 2>/dev/null
tries=40
while [ "$tries" -gt 0 ]; do
    find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null
    if [ -z "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$CGROUP")" ]; then break; fi
    sleep 0.05
    tries=$((tries - 1))
done
