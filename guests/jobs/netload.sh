# SPDX-License-Identifier: BSD-3-Clause
# netload rr|out|in: for ever; with the host, 10.8.0.1: a byte to and fro (port 7010), a stream to it (7011)
# or from it (to port 7012).
. /jobs/eth0.sh

eth0 10.8.0.2
echo "linnet-netload: ready"
case $1 in
rr) /data/net_rr 10.8.0.1 7010 ;;
out) /data/net_rr 10.8.0.1 7011 send ;;
in) nc -l -p 7012 <>"$open" >/dev/null ;;
esac
fail "it ended"
