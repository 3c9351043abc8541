# Draws reports-backlog.svg and reports-load.svg from the .tsv files of these names, in the current directory.

set terminal svg noenhanced size 760,300 font "sans-serif,12" background "white"
set datafile separator "\t"
set border 3
set tics nomirror
unset key

set output "reports-backlog.svg"
set title "Open questions, day by day"
set xdata time
set timefmt "%Y-%m-%d"
set format x "%b %d"
set yrange [0:*]
set style fill solid 0.25 noborder
plot "reports-backlog.tsv" using 1:2 with filledcurves y1=0 linecolor rgb "#2171b5", \
	"" using 1:2 with lines linewidth 2 linecolor rgb "#2171b5"

reset
set datafile separator "\t"
set output "reports-load.svg"
set title "Messages that people write, by weekday and hour"
set border 0
set tics scale 0
set xrange [-0.5:23.5]
set yrange [7.5:0.5] reverse
set xtics 0, 2
set ytics ("Mon" 1, "Tue" 2, "Wed" 3, "Thu" 4, "Fri" 5, "Sat" 6, "Sun" 7)
set palette defined (0 "#f7fbff", 0.5 "#6baed6", 1 "#08306b")
set cbrange [0:*]
unset key
plot "reports-load.tsv" using 2:1:3 with image pixels
