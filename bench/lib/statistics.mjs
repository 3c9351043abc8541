// Medians, and ratios of what was measured in the same round.

export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) {
    return undefined;
  }
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median of the ratios of a quantity of two contestants, round by round:
 * what disturbs the machine during a round disturbs both.
 */
export function pairedRatio(runs, contestant, reference, quantity) {
  const ratios = [];
  for (const run of runs) {
    const other = runs.find((r) => r.contestant === reference && r.round === run.round);
    if (run.contestant === contestant && other) {
      ratios.push(quantity(run) / quantity(other));
    }
  }
  return median(ratios);
}
