# SPDX-License-Identifier: BSD-3-Clause
# Says how many CPUs the kernel runs on.
echo "cpus: $(nproc)"
ok
