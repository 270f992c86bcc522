#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# From gcov's text (`gcov -r -n`) on standard input: line coverage of each file of the program, the
# least covered first, and of all. A file seen twice counts with its better figure.
awk -F "[':% ]+" '
/^File /           { file = $2; next }
/^Lines executed/  {
    if (file ~ /^(vmm|virtio|devices|arch)\//) {
        lines[file] = $NF
        if ($3 > percent[file]) percent[file] = $3
    }
    file = ""
}
END {
    for (file in lines) {
        printf "%6.1f %% of %4d  %s\n", percent[file], lines[file], file | "sort -n"
        covered += percent[file] / 100 * lines[file]
        all += lines[file]
    }
    close("sort -n")
    if (all == 0) { print "no coverage data"; exit 1 }
    printf "%6.1f %% of %4d  all\n", 100 * covered / all, all
}'
