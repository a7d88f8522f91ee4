// Capacity: an open loop. Each call in turn is asked for at a rising rate until its p95 leaves its bound or the
// answers fail; the last rate before that is its knee. A generator that cannot keep the rate ends the row too, and
// is named as the limit.
import exec from 'k6/execution';
import * as api from './lib/api.js';
import { either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

const STEP_SECONDS = either(8, 2);
const USERS = 40;

/** The rates per second, and the bound of the p95 in ms. Those that use seats up come first. */
const calls = {
  hold_free: { rates: either([50, 100, 200, 300, 400, 500], [50, 100]), bound: 200 },
  pay: { rates: either([25, 50, 100, 150, 200, 250], [25, 50]), bound: 160 },
  hold_taken: { rates: either([200, 400, 800, 1200, 1600], [200, 400]), bound: 200 },
  token: { rates: either([200, 400, 800, 1200, 1600, 2000], [200, 600]), bound: 100 },
  catalogue: { rates: either([200, 400, 800, 1200, 1600, 2000], [200, 600]), bound: 60 },
};

const timesOf = (call, rate) => `http_req_duration{scenario:${call}_${rate},call:${call}}`;
const failuresOf = (call, rate) => `http_req_failed{scenario:${call}_${rate}}`;
const droppedIn = (call, rate) => `dropped_iterations{scenario:${call}_${rate}}`;

const scenarios = {};
const thresholds = {};
let start = 0;
for (const [call, { rates }] of Object.entries(calls)) {
  for (const rate of rates) {
    const name = `${call}_${rate}`;
    scenarios[name] = {
      executor: 'constant-arrival-rate', exec: call, rate, timeUnit: '1s', duration: `${STEP_SECONDS}s`,
      preAllocatedVUs: USERS, maxVUs: USERS, startTime: `${start}s`, gracefulStop: '1s',
    };
    // Named so that the summary tells the steps apart; they judge nothing.
    thresholds[timesOf(call, rate)] = ['max>=0'];
    thresholds[failuresOf(call, rate)] = ['rate>=0'];
    thresholds[droppedIn(call, rate)] = ['count>=0'];
    start += STEP_SECONDS + 1;
  }
}
// The lowest rate of each call must hold; and nothing may break at any.
for (const [call, { rates, bound }] of Object.entries(calls)) {
  thresholds[timesOf(call, rates[0])] = [`p(95)<${bound}`];
  thresholds[failuresOf(call, rates[0])] = ['rate<0.01'];
}
export const options = { scenarios, thresholds };

export function setup() {
  const show = api.addShow({ name: 'capacity', maxActive: 100000, seats: 30000, price: 700 });
  api.hold(api.admitted(show.firstUser, show.queue), show.scheduleIds[0], show.seats, [201]);
  // What is looked at is a list of 50 seats; one of 30,000 is a megabyte an answer.
  return { ...show, looked: api.addShow({ name: 'looked-at', maxActive: 10, seats: 50 }).scheduleIds[0] };
}

// Far apart, so that no step meets another's users or seats.
const offsets = {};
Object.keys(scenarios).reduce((sum, name) => {
  offsets[name] = sum;
  return sum + scenarios[name].rate * (STEP_SECONDS + 1);
}, 1);
const number = () => offsets[exec.scenario.name] + exec.scenario.iterationInTest;

export function hold_free(show) {
  const user = show.firstUser + number();
  api.hold(api.admitted(user, show.queue), show.scheduleIds[0], number(), [201], 'hold_free');
}

export function pay(show) {
  const user = show.firstUser + number();
  const token = api.admitted(user, show.queue);
  api.charge(user, 1000, `charge-${user}`);
  const held = api.hold(token, show.scheduleIds[0], number(), [201]);
  if (held.status === 201) api.pay(token, held.json('reservationId'), `pay-${user}`);
}

let mine;
export function hold_taken(show) {
  mine = mine || api.admitted(show.firstUser + 1e6 + exec.vu.idInTest, show.queue);
  api.hold(mine, show.scheduleIds[0], show.seats, [409], 'hold_taken');
}

export const token = (show) => api.enter(show.firstUser + number(), show.queue);

export const catalogue = (show) => api.browse(`/v1/schedules/${show.looked}/seats`);

/** For each call the highest rate up to which every step held, and why the next one did not. */
function knees(data) {
  const found = {};
  for (const [call, { rates, bound }] of Object.entries(calls)) {
    found[call] = { perSecond: 0, bound, limit: 'not reached' };
    for (const rate of rates) {
      const times = data.metrics[timesOf(call, rate)];
      const p95 = times ? times.values['p(95)'] : Infinity;
      const failed = data.metrics[failuresOf(call, rate)];
      const dropped = data.metrics[droppedIn(call, rate)];
      const lost = dropped ? dropped.values.count / (rate * STEP_SECONDS) : 0;
      const limit = p95 > bound ? `p95 ${p95.toFixed(0)} ms at ${rate}/s`
        : failed && failed.values.rate > 0.01 ? `failures at ${rate}/s`
        : lost > 0.02 ? `${(100 * lost).toFixed(0)} % not started at ${rate}/s`
        : null;
      if (limit) {
        found[call].limit = limit;
        break;
      }
      found[call].perSecond = rate;
      found[call].p95 = p95;
    }
  }
  const text = Object.entries(found).map(([call, knee]) => `  knee   ${call}: ${knee.perSecond}/s (${knee.limit})`).join('\n');
  return { knees: found, text: `${text}\n` };
}

export const handleSummary = summaryOf('capacity', knees);
