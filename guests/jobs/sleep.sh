# SPDX-License-Identifier: BSD-3-Clause
# sleep SECONDS: does nothing for a while (3600 s by default).
ok
sleep "${1:-3600}"
