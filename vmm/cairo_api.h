/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cairo, loaded when a picture is to be drawn and not before: linked in, it and the 18 libraries it
 * brings would double what the start of every `linnet run` costs. Main thread.
 */
#pragma once

#include "vmm/base.h"

#include <cairo.h>

#define CAIRO_LIBRARY "libcairo.so.2"

/* What is used of it: cairo_create() is api.create(). */
#define CAIRO_FUNCTIONS(F)                                                                         \
    F(create)                                                                                      \
    F(destroy)                                                                                     \
    F(fill)                                                                                        \
    F(image_surface_create)                                                                        \
    F(image_surface_get_data)                                                                      \
    F(image_surface_get_stride)                                                                    \
    F(line_to)                                                                                     \
    F(move_to)                                                                                     \
    F(paint)                                                                                       \
    F(rectangle)                                                                                   \
    F(select_font_face)                                                                            \
    F(set_font_size)                                                                               \
    F(set_line_width)                                                                              \
    F(set_source_rgb)                                                                              \
    F(set_source_rgba)                                                                             \
    F(set_source_surface)                                                                          \
    F(show_text)                                                                                   \
    F(status)                                                                                      \
    F(status_to_string)                                                                            \
    F(stroke)                                                                                      \
    F(surface_destroy)                                                                             \
    F(surface_mark_dirty)                                                                          \
    F(surface_write_to_png_stream)                                                                 \
    F(text_extents)

struct cairo_api {
#define CAIRO_MEMBER(name) __typeof__(cairo_##name) *name;
    CAIRO_FUNCTIONS(CAIRO_MEMBER)
#undef CAIRO_MEMBER
};

/* 0, or -ENOENT after one line that says what to install. The library stays loaded. */
int cairo_api_load(struct cairo_api *ret_api);
