# Draws performance.svg from chart.tsv, in the current directory: for each
# contestant the wall time at 0 ms and at 50 ms, and the CPU time at 0 ms.

set terminal svg noenhanced size 1160,430 font "sans-serif,12" background "white"
set output "performance.svg"
set datafile separator "\t"

set style data boxes
set style fill solid 0.9 border -1
set boxwidth 0.7
set xtics rotate by -45 scale 0
set ytics format "%g"
set border 3
set tics nomirror
set yrange [0:*]
set offsets 0.7, 0.7, graph 0.12, 0
set bmargin 7
unset key

set multiplot layout 1,3 title "All of 10,000 conversations into a table, in seconds" font ",15"

do for [panel = 1 : 3] {
	set title word("Wall Wall CPU", panel) . " time at " . word("0 50 0", panel) . " ms of latency"
	plot "chart.tsv" using 0 : (column(panel + 1)) : xtic(1) \
			linecolor rgb word("#6baed6 #2171b5 #74a57f", panel), \
		"" using 0 : (column(panel + 1)) : (sprintf("%.3g", column(panel + 1))) \
			with labels offset 0, 0.6 font ",9"
}

unset multiplot
