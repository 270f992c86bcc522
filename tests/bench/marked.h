/* SPDX-License-Identifier: BSD-3-Clause */
/* Where marked.c is linked to be. Nothing else in the outer machine runs at that address. */
#pragma once

#define MARK_ADDRESS 0x7a001000
