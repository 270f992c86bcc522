/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests about control elements, served as control.h says; see ctl_serve.c. Worker. */
#pragma once

#include "devices/snd/control.h"

control_serve_fn ctl_serve_info, ctl_serve_enum_items, ctl_serve_read, ctl_serve_write,
    ctl_serve_tlv_read, ctl_serve_tlv_write, ctl_serve_tlv_command;
