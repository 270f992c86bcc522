/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in the machine, for ACPI: the terms of the DSDT, one device for each row of the
 * platform's table that the guest finds this way.
 */
#pragma once

#include "arch/arch.h"
#include "arch/x86_64/aml.h"

/* What does not fit sets aml->full. */
void dsdt_write(struct aml *aml, const struct platform *platform);
