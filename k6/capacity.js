// Capacity: each call in turn is asked for at a rising rate until its p95 leaves its bound, the answers fail, or every
// virtual user waits for one; the last rate before that is its knee. A generator that cannot keep a rate ends the row too,
// and is named as the limit: k6/bench/sale.py finds the knee with less processor time for the load.
import { climb, outcomes, prepareShow } from './lib/ladder.js';
import { ci, either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

export { prepare, hold_free, pay, hold_taken, token, catalogue } from './lib/ladder.js';

/** The lowest rate, and the bound of the p95 in ms. Those that use seats up come first. PROFILE=ci has time for the two that sell. */
const calls = {
  hold_free: { from: either(300, 200), bound: 200 },
  pay: { from: either(200, 150), bound: 160 },
  ...(ci ? {} : {
    hold_taken: { from: 600, bound: 200 },
    token: { from: 600, bound: 100 },
    catalogue: { from: 800, bound: 60 },
  }),
};

const plan = [];
for (const [call, { from, bound }] of Object.entries(calls)) {
  for (let step = 0; step < either(5, 3); step++) plan.push({ call, rate: Math.round(from * either(1.8, 3) ** step), bound });
}
const { options: climbing, seats } = climb(plan, { virtualUsers: either(150, 60), stepSeconds: either(3, 2) });

// The lowest rate of each call must hold.
for (const [call, { from, bound }] of Object.entries(calls)) {
  climbing.thresholds[`http_req_duration{scenario:${call}_${from},call:${call}}`] = [`p(95)<${bound}`];
  climbing.thresholds[`http_req_failed{scenario:${call}_${from}}`] = ['rate<0.01'];
}
export const options = climbing;

export const setup = () => prepareShow('capacity', seats);

/** For each call the highest rate up to which every step held, and why the next one did not. */
function knees(data) {
  const found = {};
  for (const { call, rate, bound, p95, limit } of outcomes(data)) {
    const knee = (found[call] = found[call] || { perSecond: 0, bound, limit: null });
    if (knee.limit) continue;
    knee.limit = limit;
    if (!limit) Object.assign(knee, { perSecond: rate, p95 });
  }
  for (const knee of Object.values(found)) knee.limit = knee.limit || `not reached${ci ? ' (PROFILE=ci)' : ''}`;
  const text = Object.entries(found).map(([call, knee]) => `  knee   ${call}: ${knee.perSecond}/s (${knee.limit})`).join('\n');
  return { knees: found, text: `${text}\n` };
}

export const handleSummary = summaryOf('capacity', knees);
