# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Sounds of every format, rate, number of channels and period length, played one after the other by
# one guest: each must be in a take of its own of the recording, sample by sample.

grid=$made/grid
grid_formats=(U8 S16_LE S24_LE S32_LE FLOAT_LE)
grid_bits=(8 16 24 32 32) # in a WAV file
grid_rates=(8000 11025 16000 22050 44100 48000 96000 192000)
grid_channels=(1 2 3 4 5 6 7 8)
[ "$arch" != arm64 ] || { grid_rates=(8000 44100 192000) && grid_channels=(1 2 8); } # fewer
grid_periods=(160 441 1000 1024 2400)

# grid_rows: a line a row: its number, index of its format, rate, channels, period, frames. Every
# rate meets every number of channels, and every format and period meets all of both and of each
# other. No row has the format of the one before, so each begins a new take.
grid_rows() {
    local r c row=0 rates=${#grid_rates[@]} period
    for ((r = 0; r < rates; r++)); do
        for c in "${grid_channels[@]}"; do
            period=${grid_periods[(2 * r + c) % 5]}
            # Every other row ends within a period, which aplay fills up with silence.
            echo $((++row)) $(((row + row / 40) % 5)) "${grid_rates[r]}" "$c" "$period" \
                $((4 * period + row % 2 * period / 3))
        done
    done
}

# bytes FILE OFFSET COUNT
bytes() {
    dd if="$1" iflag=skip_bytes,count_bytes bs=64K skip="$2" count="$3" status=none
}

# noise BYTES SEED: bytes that look random, the same ones each time.
noise() {
    bytes "$guests/$stock/vmlinuz" $((2000000 + $2 * 10007)) "$1"
}

# grid_sound FORMAT SAMPLES SEED: the sound for the guest on fd 3, and as a WAV file has it on fd 4.
# 24 bits travel in the low bytes of 32, where the top byte means nothing.
grid_sound() {
    local raw=(-D -t raw -r 48000 -c 1)
    case $1 in
    U8) noise "$2" "$3" | tee /dev/fd/4 >&3 ;;
    S16_LE) noise $((2 * $2)) "$3" | tee /dev/fd/4 >&3 ;;
    S32_LE) noise $((4 * $2)) "$3" | tee /dev/fd/4 >&3 ;;
    S24_LE)
        noise $((3 * $2)) "$3" | tee /dev/fd/4 |
            sox "${raw[@]}" -e signed -b 24 - -t raw -b 32 - | { tail -c +2 && printf '\377'; } >&3
        ;;
    FLOAT_LE)
        noise $((4 * $2)) "$3" | sox "${raw[@]}" -e signed -b 32 - -t raw -e float -b 32 - |
            tee /dev/fd/4 >&3
        ;;
    esac
}

# Makes the sounds, and the guest that plays them.
grid_prepare() {
    local row f rate channels period frames
    rm -rf "$grid"
    mkdir -p "$grid"
    while read -r row f rate channels period frames; do
        grid_sound "${grid_formats[f]}" $((frames * channels)) "$row" \
            3>"$grid/$row.raw" 4>"$grid/$row.expected"
        echo "$row.raw,${grid_formats[f]},$rate,$channels,$period,$((4 * period))"
    done < <(grid_rows) >"$grid/playlist"
    "$top/guests/addfiles.sh" "$made/$stock.sound" "$grid/initramfs" "$grid/playlist" \
        "$grid"/*.raw
}

grid_play() {
    boot 0 --initrd "$grid/initramfs" --append "$(job play)" \
        --snd "host=file,path=take.wav,clock=free,formats=all,rates=all,channels=1-8" \
        "$guests/$stock/vmlinuz"
    done_job play
    mkdir -p "$logs/$theme/takes" # for grid_judge()
    mv take.wav "$logs/$theme/takes/take.1.wav"
    mv take.*.wav "$logs/$theme/takes/"
}

# wav_field FILE OFFSET BYTES
wav_field() {
    od -An -v --endian=little -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# wav_chunk FILE NAME: offset and length of what is in the chunk.
wav_chunk() {
    local at=12 size name
    while name=$(bytes "$1" "$at" 4 | tr -d '\0') && [ -n "$name" ]; do
        size=$(wav_field "$1" $((at + 4)) 4)
        [ "$name" != "$2" ] || { echo $((at + 8)) "$size" && return; }
        at=$((at + 8 + size + size % 2))
    done
    fail "$1 has no chunk \"$2\""
}

# wav_data FILE: its samples, as bytes; as many as its header says.
wav_data() {
    local at size
    read -r at size < <(wav_chunk "$1" data)
    bytes "$1" "$at" "$size"
}

# grid_compare ROW FORMAT RATE CHANNELS PERIOD FRAMES DIR
grid_compare() {
    local take=$7/take.$1.wav at bits=${grid_bits[$2]} size silence='\0' rest
    [ "$2" != 0 ] || silence='\200'
    at=$(wav_chunk "$take" 'fmt ')
    at=${at% *}
    [ "$(wav_field "$take" $((at + 2)) 2)" = "$4" ] || fail "not $4 channels in the header"
    [ "$(wav_field "$take" $((at + 4)) 4)" = "$3" ] || fail "not $3 Hz in the header"
    [ "$(wav_field "$take" $((at + 14)) 2)" = "$bits" ] || fail "not $bits bits in the header"
    wav_data "$take" >"$take.data"
    size=$(stat -c %s "$grid/$1.expected")
    cmp -n "$size" "$take.data" "$grid/$1.expected"
    rest=$(tail -c "+$((size + 1))" "$take.data" | tr -d "$silence" | wc -c)
    [ "$rest" = 0 ] || fail "$rest bytes that were not played"
    # aplay fills up the last period; after a whole one it plays another, of nothing.
    [ $(($(stat -c %s "$take.data") - size)) -le $(($5 * $4 * bits / 8)) ] || fail "too long"
    rm "$take.data"
}

# grid_judge DIR: after grid_play, wherever that ran; a test a row.
grid_judge() {
    local row f rate channels period frames
    while read -r row f rate channels period frames; do
        run_case "$theme/grid-${grid_formats[f]}-$rate-$channels-$period" \
            grid_compare "$row" "$f" "$rate" "$channels" "$period" "$frames" "$1"
    done < <(grid_rows)
}

boot_case counting grid-play grid_play
