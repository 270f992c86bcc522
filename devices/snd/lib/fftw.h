/* SPDX-License-Identifier: BSD-3-Clause */
/* FFTW, which does Fourier transforms, by vmm/base/library.h. */
#pragma once

#include "vmm/base/library.h"

#include <complex.h> /* before fftw3.h, whose complex numbers are C's then */
#include <fftw3.h>

#define FFTW_FUNCTIONS(F)                                                                          \
    F(fftw_, alloc_real)                                                                           \
    F(fftw_, alloc_complex)                                                                        \
    F(fftw_, free)                                                                                 \
    F(fftw_, plan_dft_r2c_1d)                                                                      \
    F(fftw_, destroy_plan)                                                                         \
    F(fftw_, execute)

struct fftw {
    FFTW_FUNCTIONS(LIBRARY_FIELD)
};
extern struct fftw fftw;
extern const struct library fftw_library;
