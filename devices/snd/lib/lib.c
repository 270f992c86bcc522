/* SPDX-License-Identifier: BSD-3-Clause */
/* The libraries that sound is made with: their functions, and where they are. */
#include "devices/snd/lib/fftw.h"
#include "devices/snd/lib/sndfile.h"

struct fftw fftw;
struct sf sf;

const struct library fftw_library =
    LIBRARY("libfftw3.so.3", "libfftw3-double3", fftw, FFTW_FUNCTIONS);
const struct library sf_library = LIBRARY("libsndfile.so.1", "libsndfile1", sf, SF_FUNCTIONS);
