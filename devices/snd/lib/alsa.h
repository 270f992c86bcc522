/* SPDX-License-Identifier: BSD-3-Clause */
/* alsa-lib, by vmm/base/library.h. It is loaded, and called, in helpers only
 * (vmm/base/helper.h); alsa_remedy() is for all. */
#pragma once

#include "vmm/base/library.h"

#include <alsa/asoundlib.h>

/* clang-format off */
#define ALSA_PCM_FUNCTIONS(F) \
    F(snd_, pcm_close) F(snd_, pcm_drop) F(snd_, pcm_hw_params) F(snd_, pcm_hw_params_any) \
    F(snd_, pcm_hw_params_can_pause) F(snd_, pcm_hw_params_free) \
    F(snd_, pcm_hw_params_get_buffer_size) F(snd_, pcm_hw_params_get_channels_max) \
    F(snd_, pcm_hw_params_get_channels_min) F(snd_, pcm_hw_params_get_period_size) \
    F(snd_, pcm_hw_params_malloc) F(snd_, pcm_hw_params_set_access) \
    F(snd_, pcm_hw_params_set_buffer_size_near) F(snd_, pcm_hw_params_set_channels) \
    F(snd_, pcm_hw_params_set_format) F(snd_, pcm_hw_params_set_period_size_near) \
    F(snd_, pcm_hw_params_set_rate) F(snd_, pcm_hw_params_test_channels) \
    F(snd_, pcm_hw_params_test_format) F(snd_, pcm_hw_params_test_rate) F(snd_, pcm_open) \
    F(snd_, pcm_pause) F(snd_, pcm_prepare) F(snd_, pcm_readi) F(snd_, pcm_start) \
    F(snd_, pcm_state) F(snd_, pcm_status) F(snd_, pcm_status_free) F(snd_, pcm_status_get_avail) \
    F(snd_, pcm_status_get_delay) F(snd_, pcm_status_get_state) F(snd_, pcm_status_malloc) \
    F(snd_, pcm_sw_params) F(snd_, pcm_sw_params_current) F(snd_, pcm_sw_params_free) \
    F(snd_, pcm_sw_params_get_boundary) F(snd_, pcm_sw_params_malloc) \
    F(snd_, pcm_sw_params_set_silence_size) F(snd_, pcm_sw_params_set_silence_threshold) \
    F(snd_, pcm_sw_params_set_start_threshold) F(snd_, pcm_sw_params_set_stop_threshold) \
    F(snd_, pcm_type) F(snd_, pcm_writei)

#define ALSA_CTL_FUNCTIONS(F) \
    F(snd_, ctl_elem_info_get_count) F(snd_, ctl_elem_info_get_item_name) \
    F(snd_, ctl_elem_info_get_items) F(snd_, ctl_elem_info_get_max) \
    F(snd_, ctl_elem_info_get_min) F(snd_, ctl_elem_info_get_step) \
    F(snd_, ctl_elem_info_get_type) F(snd_, ctl_elem_info_is_inactive) \
    F(snd_, ctl_elem_info_is_readable) F(snd_, ctl_elem_info_is_tlv_readable) \
    F(snd_, ctl_elem_info_is_volatile) F(snd_, ctl_elem_info_is_writable) \
    F(snd_, ctl_elem_info_malloc) F(snd_, ctl_elem_info_set_item) \
    F(snd_, ctl_elem_value_get_boolean) F(snd_, ctl_elem_value_get_enumerated) \
    F(snd_, ctl_elem_value_get_integer) F(snd_, ctl_elem_value_malloc) \
    F(snd_, ctl_elem_value_set_boolean) F(snd_, ctl_elem_value_set_enumerated) \
    F(snd_, ctl_elem_value_set_integer) F(snd_, ctl_open) F(snd_, hctl_elem_get_callback_private) \
    F(snd_, hctl_elem_get_index) F(snd_, hctl_elem_get_interface) F(snd_, hctl_elem_get_name) \
    F(snd_, hctl_elem_info) F(snd_, hctl_elem_next) F(snd_, hctl_elem_read) \
    F(snd_, hctl_elem_set_callback) F(snd_, hctl_elem_set_callback_private) \
    F(snd_, hctl_elem_tlv_read) F(snd_, hctl_elem_write) F(snd_, hctl_first_elem) \
    F(snd_, hctl_handle_events) F(snd_, hctl_load) F(snd_, hctl_open_ctl) \
    F(snd_, hctl_poll_descriptors)

#define ALSA_FUNCTIONS(F) \
    ALSA_PCM_FUNCTIONS(F) ALSA_CTL_FUNCTIONS(F) F(snd_, lib_error_set_handler)
/* clang-format on */

struct alsa {
    ALSA_FUNCTIONS(LIBRARY_FIELD)
};

extern struct alsa alsa;

/* Loads it, and has it be quiet. 0 or -ENOPKG. */
int alsa_load(void);
/* -errno of a result of alsa-lib; 0 and above stay. */
int alsa_result(long result);
/* What a user can do about that -errno of a PCM that does not open. */
const char *alsa_remedy(int error);
