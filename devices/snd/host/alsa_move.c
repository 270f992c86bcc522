/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_pcm.h: moving frames between a buffer of the stream's and the PCM's ring. */
#include "devices/snd/host/alsa_pcm.h"

#include "devices/snd/base/chmap.h"
#include "vmm/base/log.h"

#include <linux/virtio_snd.h>
#include <string.h>

/* Frames that go through a copy at once. */
#define COPY_FRAMES 1024

/* Positions have the same numbers in both worlds. */
_Static_assert((int)VIRTIO_SND_CHMAP_FL == (int)SND_CHMAP_FL &&
                   (int)VIRTIO_SND_CHMAP_LFE == (int)SND_CHMAP_LFE &&
                   (int)VIRTIO_SND_CHMAP_RC == (int)SND_CHMAP_RC,
               "channel positions");

/* -- which channel is where -- */

/* Finds the PCM's channel for each of the stream's. False: it has others. */
static bool channels_match(const snd_pcm_chmap_t *map, const uint8_t *positions, uint8_t *ret_order)
{
    unsigned found = 0;

    for (unsigned i = 0; i < map->channels; i++) {
        for (unsigned j = 0; j < map->channels; j++) {
            if (map->pos[j] != positions[i])
                continue;
            ret_order[i] = (uint8_t)j;
            found++;
            break;
        }
    }
    return found == map->channels;
}

/* Asks the PCM to have its channels in this order: some can choose. */
static bool chmap_set(const struct alsa_pcm *pcm, const uint8_t *positions)
{
    unsigned words[1 + CHMAP_CHANNELS_MAX] = {pcm->channels};
    snd_pcm_chmap_t *map = (snd_pcm_chmap_t *)words;

    for (unsigned i = 0; i < pcm->channels; i++)
        map->pos[i] = positions[i];
    return snd_pcm_set_chmap(pcm->handle, map) == 0;
}

static void channels_find(struct alsa_pcm *pcm)
{
    uint8_t order[CHMAP_CHANNELS_MAX], straight[CHMAP_CHANNELS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};

    for (unsigned i = 0; i < pcm->channels; i++)
        pcm->channel[i] = (uint8_t)i;
    snd_pcm_chmap_t *map = pcm->channels > 1 && pcm->channels <= CHMAP_CHANNELS_MAX
                               ? snd_pcm_get_chmap(pcm->handle)
                               : NULL;
    if (map == NULL)
        return; /* it does not say */
    const uint8_t *positions = chmap_of(pcm->channels);
    bool matches = map->channels == pcm->channels && channels_match(map, positions, order);
    free(map);
    if ((matches && memcmp(order, straight, pcm->channels) == 0) || chmap_set(pcm, positions))
        return;
    if (matches)
        memcpy(pcm->channel, order, pcm->channels);
    else
        log_debug("this PCM has other loudspeakers than %u channels are for", pcm->channels);
}

static bool in_order(const struct alsa_pcm *pcm)
{
    for (unsigned i = 0; i < pcm->channels; i++)
        if (pcm->channel[i] != i)
            return false;
    return true;
}

static bool is_mapped(const struct alsa_pcm *pcm)
{
    return pcm->access != SND_PCM_ACCESS_RW_INTERLEAVED &&
           pcm->access != SND_PCM_ACCESS_RW_NONINTERLEAVED;
}

int alsa_move_begin(struct alsa_pcm *pcm)
{
    channels_find(pcm);
    if (is_mapped(pcm) || (pcm->access == SND_PCM_ACCESS_RW_INTERLEAVED && in_order(pcm)))
        return 0;
    pcm->copy = malloc((size_t)COPY_FRAMES * pcm->frame_bytes);
    return pcm->copy == NULL ? -ENOMEM : 0;
}

void alsa_move_end(struct alsa_pcm *pcm)
{
    free(pcm->copy);
    pcm->copy = NULL;
}

/* -- areas -- */

static unsigned sample_bits(const struct alsa_pcm *pcm)
{
    return pcm->frame_bytes / pcm->channels * 8;
}

/* Frames with their channels side by side. */
static void areas_interleaved(const struct alsa_pcm *pcm, void *buf,
                              snd_pcm_channel_area_t ret_areas[ALSA_CHANNELS_MAX])
{
    for (unsigned i = 0; i < pcm->channels; i++)
        ret_areas[i] = (snd_pcm_channel_area_t){
            .addr = buf, .first = i * sample_bits(pcm), .step = pcm->frame_bytes * 8};
}

/* Between buf, at frame `at`, and what the PCM has, at frame `offset`. */
static void areas_copy(const struct alsa_pcm *pcm, const snd_pcm_channel_area_t *theirs,
                       snd_pcm_uframes_t offset, void *buf, size_t at, size_t frames)
{
    snd_pcm_channel_area_t ours[ALSA_CHANNELS_MAX], ring[ALSA_CHANNELS_MAX];

    areas_interleaved(pcm, buf, ours);
    for (unsigned i = 0; i < pcm->channels; i++)
        ring[i] = theirs[pcm->channel[i]];
    /* Fails only for a format without a width; setup would have. */
    if (pcm->direction == PCM_OUTPUT)
        (void)snd_pcm_areas_copy(ring, offset, ours, at, pcm->channels, frames, pcm->format);
    else
        (void)snd_pcm_areas_copy(ours, at, ring, offset, pcm->channels, frames, pcm->format);
}

/* -- moving -- */

/* Moves frames that the ring is known to have, or to have room for. */
static ssize_t move_mapped(const struct alsa_pcm *pcm, void *buf, size_t frames)
{
    snd_pcm_sframes_t r = 0;
    size_t moved = 0;

    while (moved < frames) {
        const snd_pcm_channel_area_t *ring;
        snd_pcm_uframes_t offset, count = frames - moved;
        r = snd_pcm_mmap_begin(pcm->handle, &ring, &offset, &count);
        if (r < 0 || count == 0)
            break;
        areas_copy(pcm, ring, offset, buf, moved, count);
        r = snd_pcm_mmap_commit(pcm->handle, offset, count);
        if (r <= 0)
            break;
        moved += (size_t)r;
    }
    return moved > 0 ? (ssize_t)moved : r;
}

/* Moves frames between pcm->copy and the ring. */
static ssize_t copy_transfer(const struct alsa_pcm *pcm, size_t frames)
{
    bool plays = pcm->direction == PCM_OUTPUT;
    void *planes[ALSA_CHANNELS_MAX];

    if (pcm->access == SND_PCM_ACCESS_RW_INTERLEAVED)
        return plays ? snd_pcm_writei(pcm->handle, pcm->copy, frames)
                     : snd_pcm_readi(pcm->handle, pcm->copy, frames);
    for (unsigned i = 0; i < pcm->channels; i++)
        planes[i] = (char *)pcm->copy + (size_t)i * COPY_FRAMES * sample_bits(pcm) / 8;
    return plays ? snd_pcm_writen(pcm->handle, planes, frames)
                 : snd_pcm_readn(pcm->handle, planes, frames);
}

/* Where the PCM wants frames otherwise than the stream has them: each channel for itself, or in an
 * order of its own. */
static ssize_t move_copied(const struct alsa_pcm *pcm, void *buf, size_t frames)
{
    snd_pcm_channel_area_t areas[ALSA_CHANNELS_MAX];
    bool plays = pcm->direction == PCM_OUTPUT;
    size_t moved = 0;
    ssize_t r = 1;

    areas_interleaved(pcm, pcm->copy, areas);
    for (unsigned i = 0; i < pcm->channels && pcm->access != SND_PCM_ACCESS_RW_INTERLEAVED; i++)
        areas[i] = (snd_pcm_channel_area_t){
            .addr = pcm->copy, .first = i * COPY_FRAMES * sample_bits(pcm), sample_bits(pcm)};
    while (moved < frames && r > 0) {
        size_t count = MIN(frames - moved, (size_t)COPY_FRAMES);
        if (plays)
            areas_copy(pcm, areas, 0, buf, moved, count);
        r = copy_transfer(pcm, count);
        if (!plays && r > 0)
            areas_copy(pcm, areas, 0, buf, moved, (size_t)r);
        moved += (size_t)MAX(r, 0);
    }
    return moved > 0 ? (ssize_t)moved : r;
}

/* How many of `frames` can be moved now. (Asked for more, some plugins move nothing.) */
static ssize_t movable(const struct alsa_pcm *pcm, size_t frames)
{
    snd_pcm_sframes_t avail = snd_pcm_avail_update(pcm->handle);

    return avail < 0 ? avail : (ssize_t)MIN((size_t)avail, frames);
}

ssize_t alsa_move_out(const struct alsa_pcm *pcm, void *buf, size_t frames)
{
    ssize_t r = movable(pcm, frames);

    if (r > 0 && pcm->copy != NULL)
        r = move_copied(pcm, buf, (size_t)r);
    else if (r > 0 && is_mapped(pcm))
        r = move_mapped(pcm, buf, (size_t)r);
    else if (r > 0)
        r = snd_pcm_writei(pcm->handle, buf, (snd_pcm_uframes_t)r);
    return r == -EAGAIN ? 0 : alsa_result(r);
}

ssize_t alsa_move_in(const struct alsa_pcm *pcm, void *ret_buf, size_t frames)
{
    ssize_t r = movable(pcm, frames);

    if (r > 0 && pcm->copy != NULL)
        r = move_copied(pcm, ret_buf, (size_t)r);
    else if (r > 0 && is_mapped(pcm))
        r = move_mapped(pcm, ret_buf, (size_t)r);
    else if (r > 0)
        r = snd_pcm_readi(pcm->handle, ret_buf, (snd_pcm_uframes_t)r);
    return r == -EAGAIN ? 0 : alsa_result(r);
}
