# Draws what benches/serve writes: gnuplot -c plot.gnuplot FIGURES PICTURE.svg
# Lines of FIGURES: viewers server cost ratio share p50 p99 memory, or "slow" server slow_p50 ordinary_p99.

figures = ARG1
set terminal svg size 900,760 font "DejaVu Sans,13" background rgb "white"
set output ARG2
set encoding utf8
servers = "floor mjpegserversink tcpserversink ustreamer Flask"
colours = "#888888 #d62728 #1f77b4 #2ca02c #9467bd"
# ustreamer and Flask skip pictures when they are too slow; the cost counts those that arrived.
of(server, column) = sprintf("< grep -E '^[0-9]+ %s ' %s | awk '$1 >= 100'", server, figures)
slow(server) = sprintf("< grep '^slow %s ' %s", server, figures)

set multiplot layout 2,2 margins 0.09,0.98,0.09,0.94 spacing 0.1,0.13
set grid ytics lc rgb "#dddddd"
set key top left reverse Left samplen 2
set style data linespoints
set logscale x
set xtics (100, 300, 1000)
set xrange [90:1110]
set xlabel "viewers"

set title "CPU time per picture of 50 kB, times the floor's"
set logscale y
set ytics (1, 2, 5, 10, 20, 50, 100)
set yrange [0.9:100]
plot for [i=1:words(servers)] of(word(servers, i), 4) using 1:4 lw 2 pt 7 ps 0.6 lc rgb word(colours, i) title word(servers, i)

unset key
unset logscale y
set ytics autofreq
set title "pictures delivered, % of 30 a second"
set yrange [0:105]
plot for [i=1:words(servers)] of(word(servers, i), 5) using 1:($5*100) lw 2 pt 7 ps 0.6 lc rgb word(colours, i) title word(servers, i)

set title "age of a picture on arrival, 99th percentile, ms"
set logscale y
set yrange [*:*]
plot for [i=1:words(servers)] of(word(servers, i), 7) using 1:7 lw 2 pt 7 ps 0.6 lc rgb word(colours, i) title word(servers, i)

set title "median age at viewers that read 100 kB/s, s"
unset logscale
set yrange [0:*]
set xrange [0.4:words(servers)+0.6]
set xlabel ""
set xtics ()
set for [i=1:words(servers)] xtics add (word(servers, i) i)
set xtics font ",11" rotate by 15 right
set offsets 0, 0, graph 0.1, 0
set boxwidth 0.6
set style fill solid
plot for [i=1:words(servers)] slow(word(servers, i)) using (i):($3/1000) with boxes lc rgb word(colours, i), \
     for [i=1:words(servers)] slow(word(servers, i)) using (i):($3/1000):(sprintf("%.1f", $3/1000)) with labels offset 0,0.6
unset multiplot
