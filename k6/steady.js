// Steady: each call at 60 % of the knee that k6/capacity.js left in the same folder, and its p95 there. RATES gives other
// rates: RATES=hold_free=900,pay=600.
import { climb, outcomes, prepareShow } from './lib/ladder.js';
import { either, summaryDir } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

export { prepare, hold_free, pay, hold_taken, token, catalogue } from './lib/ladder.js';

const SHARE = 0.6;
/** Of the p95 in ms; those of calls that are not named here are printed alone. */
const BOUNDS = { hold_free: 15, pay: 20 };

const given = () => Object.fromEntries(__ENV.RATES.split(',').map((entry) => entry.split('=')).map(([call, rate]) => [call, Number(rate)]));
const measured = () => {
  const { knees } = JSON.parse(open(`${summaryDir}/capacity.json`));
  return Object.fromEntries(Object.entries(knees).map(([call, { perSecond }]) => [call, SHARE * perSecond]));
};
const rates = Object.entries(__ENV.RATES ? given() : measured()).filter(([, rate]) => rate >= 1);
if (!rates.length) throw new Error('no rates: k6/capacity.js found no knee');

const { options: climbing, seats } = climb(
  rates.map(([call, rate]) => ({ call, rate: Math.round(rate), bound: BOUNDS[call] || Infinity })),
  { virtualUsers: either(100, 60), stepSeconds: either(10, 4) },
);
export const options = climbing;

export const setup = () => prepareShow('steady', seats);

function steady(data) {
  const found = Object.fromEntries(outcomes(data).map(({ call, rate, p95, limit }) => [call, { perSecond: rate, p95, bound: BOUNDS[call], limit }]));
  const text = Object.entries(found)
    .map(([call, { perSecond, p95, limit }]) => `  steady ${call}: p95 ${p95.toFixed(1)} ms at ${perSecond}/s${limit ? ` (${limit})` : ''}`).join('\n');
  return { steady: found, text: `${text}\n` };
}

export const handleSummary = summaryOf('steady', steady);
