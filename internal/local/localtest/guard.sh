# Waits until the test process is gone (its end of the pipe closes, however it ended), then ends the servers that it left under
# the folder and removes it. After an orderly end there is nothing left to do.
dir=$1
cat >/dev/null
[ -d "$dir" ] || exit 0
# A postmaster that is asked to end cleans up after itself.
find "$dir" -name postmaster.pid | while read -r lock; do
	kill -INT "$(head -n 1 "$lock")"
	tries=0
	while [ -f "$lock" ] && [ "$tries" -lt 100 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
done
# Whatever else was started there has the folder in its environment.
for environment in /proc/[0-9]*/environ; do
	if grep -qF "$dir" "$environment" 2>/dev/null; then
		pid=${environment#/proc/}
		kill -KILL "${pid%/environ}"
	fi
done
# A test may have mounted a small disk of its own.
if [ -r /proc/mounts ]; then
	while read -r _ point _; do
		case $point in "$dir"/*) umount -l "$point" ;; esac
	done </proc/mounts
fi
rm -rf "$dir"
