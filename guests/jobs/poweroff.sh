# SPDX-License-Identifier: BSD-3-Clause
# Powers the guest off.
ok
