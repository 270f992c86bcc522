/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the vhost-user back-end share, see backend.h. Main thread. */
#pragma once

#include "virtio/vhost_user/backend.h"

/* -- request.c -- */

/* Does what the message in backend->rx asks: 0; 1 if the answer is in backend->reply; -errno if it
 * could not be done, -EBADMSG if it is no message at all. */
int vhost_user_request_serve(struct vhost_user_backend *backend);
/* What it is called. */
const char *vhost_user_request_name(uint32_t request);

/* -- rings.c -- */

int rings_init(struct vhost_user_backend *backend);
void rings_fini(struct vhost_user_backend *backend);

/* The device stands still from now on, until rings_changed(). */
void rings_stand(struct vhost_user_backend *backend);
/* Something about them changed: the device goes on, now or soon, if there is one to work on. */
int rings_changed(struct vhost_user_backend *backend);
/* The device is as new, and each ring stopped and disabled. */
void rings_reset(struct vhost_user_backend *backend);

/* Started and enabled. */
bool ring_works(const struct vhost_user_ring *ring);
/* The device stands still, or the ring does not work. These take the eventfd, -1 for none. */
void ring_stop(struct vhost_user_ring *ring);
void ring_set_kick(struct vhost_user_ring *ring, int fd);
/* At any time: `slot` is its call or error. */
void ring_set_call(struct vhost_user_ring *ring, int *slot, int fd);

/* -- shared.c -- */

int shared_set(struct vhost_user_backend *backend, struct vhost_user_message *msg);
int shared_add(struct vhost_user_backend *backend, struct vhost_user_message *msg);
int shared_remove(struct vhost_user_backend *backend, struct vhost_user_message *msg);
/* None is left. The device is idle. */
void shared_drop(struct vhost_user_backend *backend);
/* Unmaps what was removed, if no request can be there any more. */
void shared_sweep(struct vhost_user_backend *backend);

/* -- backend.c -- */

/* Workers may send news, or not. */
void news_hold(struct vhost_user_backend *backend, bool hold);
