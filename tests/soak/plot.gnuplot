# Draws what soak.py writes: gnuplot -c plot.gnuplot FIGURES PICTURE.svg
# Columns: seconds, memory in MB, threads, descriptors, viewers, viewers that have come so far, kills of the camera so far.

set terminal svg size 900,620 font "DejaVu Sans,13" background rgb "white"
set output ARG2
set encoding utf8
figures = ARG1
stats figures using 1 nooutput
# A line of 1200 points looks the same, and takes three times the room.
step = ceil(STATS_records / 400.0)
set multiplot layout 3,1 margins 0.08,0.94,0.09,0.94 spacing 0,0.08
set grid lc rgb "#dddddd"
set key top right horizontal samplen 2
set yrange [0:*]
set format x ""

set title "memory, MB"
plot figures every step using ($1/60):2 with lines lw 1.5 lc rgb "#d62728" notitle

set title "taken from the system"
set yrange [0:60]
plot figures every step using ($1/60):4 with lines lw 1.5 lc rgb "#1f77b4" title "descriptors", \
     figures every step using ($1/60):3 with lines lw 1.5 lc rgb "#2ca02c" title "threads", \
     figures every step using ($1/60):5 with lines lw 1 lc rgb "#888888" title "viewers"

set title "come and gone, in all"
set yrange [0:*]
set format x "%g"
set xlabel "minutes"
set key top left vertical
set y2tics
set y2range [0:*]
set ytics nomirror
plot figures every step using ($1/60):6 with lines lw 1.5 lc rgb "#9467bd" title "viewers (left)", \
     figures every step using ($1/60):7 axes x1y2 with steps lw 1.5 lc rgb "#ff7f0e" title "kills of the camera (right)"
unset multiplot
