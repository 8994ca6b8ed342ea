# Waits until the test process is gone (its end of the pipe closes, however it ended), then stops the servers that it left under
# the folder and removes it. After an orderly end there is nothing left to do.
dir=$1
cat >/dev/null
[ -d "$dir" ] || exit 0
for lock in "$dir"/*/data/postmaster.pid "$dir"/*/*/data/postmaster.pid; do
	[ -f "$lock" ] || continue
	pid=$(head -n 1 "$lock") && kill -QUIT "$pid"
	tries=0
	while [ -f "$lock" ] && [ "$tries" -lt 100 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
done
# A test may have mounted a small disk of its own.
if [ -r /proc/mounts ]; then
	while read -r _ point _; do
		case $point in "$dir"/*) umount -l "$point" ;; esac
	done </proc/mounts
fi
rm -rf "$dir"
