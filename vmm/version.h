/* SPDX-License-Identifier: BSD-3-Clause */
/* What `linnet --version` says. */
#pragma once

#define LINNET_VERSION "0.1"
