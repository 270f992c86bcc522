# SPDX-License-Identifier: BSD-3-Clause
# For other jobs to source.

# played CARD FRAMES: so many are played of what that card plays now.
played() {
    frames_played=$(sed -n 's/^hw_ptr *: *//p' "/proc/asound/card$1/pcm0p/sub0/status")
    [ "${frames_played:-0}" -ge "$2" ]
}
