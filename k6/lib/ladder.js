// Calls at given rates, one step after the other, in an open loop. What a step uses up is prepared before it by the same
// virtual users, each for itself, so that a step's load is the measured call alone: one user, token and seat an iteration.
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import * as api from './api.js';

/** Iterations that found nothing prepared for them, and sent nothing. */
const unprepared = new Counter('unprepared');

const PREPARED_PER_SECOND = 1000; // requests, at least; a slower service or generator has less prepared, and the results say so
const MARGIN = 1.25; // virtual users do not get equally many iterations
const GAP_SECONDS = 1;

/** How many requests prepare one iteration; 0 for calls that use nothing up. */
const PREPARATION = { hold_free: 1, pay: 3, hold_taken: 0, token: 0, catalogue: 0 };

const timesOf = (name, call) => `http_req_duration{scenario:${name},call:${call}}`;
const failuresOf = (name) => `http_req_failed{scenario:${name}}`;
const droppedIn = (name) => `dropped_iterations{scenario:${name}}`;
const unpreparedIn = (name) => `unprepared{scenario:${name}}`;

let steps = [];
let byName = {};
let users = 0;

/**
 * The scenarios of [{call, rate, bound}], in this order, thresholds that always pass, by which the summary lists each step, and how
 * many seats the steps want: those that use seats up come first, for a show has 100,000 at most.
 */
export function climb(plan, { virtualUsers, stepSeconds }) {
  users = virtualUsers;
  const scenarios = {};
  const thresholds = {};
  let start = 0;
  let first = 1;
  let seats = 0;
  steps = plan.map(({ call, rate, bound }) => {
    const name = `${call}_${rate}`;
    const each = PREPARATION[call] ? Math.ceil((rate * (stepSeconds + 1) * MARGIN) / users) : 0;
    const seconds = Math.ceil((each * users * PREPARATION[call]) / PREPARED_PER_SECOND) + 3;
    if (each) {
      scenarios[`${name}_prepared`] = {
        executor: 'per-vu-iterations', exec: 'prepare', vus: users, iterations: 1, maxDuration: `${seconds}s`,
        startTime: `${start}s`, gracefulStop: '0s',
      };
      start += seconds + GAP_SECONDS;
      seats = first + each * users;
    }
    scenarios[name] = {
      executor: 'constant-arrival-rate', exec: call, rate, timeUnit: '1s', duration: `${stepSeconds}s`,
      preAllocatedVUs: users, maxVUs: users, startTime: `${start}s`, gracefulStop: '2s',
    };
    start += stepSeconds + 2 + GAP_SECONDS;
    // Named so that the summary has them; they judge nothing.
    thresholds[timesOf(name, call)] = ['max>=0'];
    thresholds[failuresOf(name)] = ['rate>=0'];
    thresholds[droppedIn(name)] = ['count>=0'];
    thresholds[unpreparedIn(name)] = ['count>=0'];
    const step = { name, call, rate, bound, each, first, preparing: seconds, seconds: stepSeconds };
    first += Math.max(each * users, rate * (stepSeconds + 1)); // far apart: no step meets another's users or seats
    byName[name] = byName[`${name}_prepared`] = step;
    return step;
  });
  const summaryTrendStats = ['avg', 'med', 'max', 'p(90)', 'p(95)', 'count'];
  return { options: { scenarios, thresholds, setupTimeout: '180s', summaryTrendStats }, seats };
}

/** The show of all steps; in setup(). */
export function prepareShow(name, seats) {
  const show = api.addShow({ name, maxActive: 1000000, seats: seats + 1, price: 700 });
  api.hold(api.admitted(show.firstUser, show.queue), show.scheduleIds[0], show.seats, [201]);
  // What is looked at is a list of 50 seats; one of tens of thousands is a megabyte an answer.
  return { ...show, looked: api.addShow({ name: 'looked-at', maxActive: 10, seats: 50 }).scheduleIds[0] };
}

const here = () => byName[exec.scenario.name];
let pool = [];

export function prepare(show) {
  const step = here();
  // Ends by itself: an iteration that is cut off may cost the virtual user what it has, or itself.
  const until = Date.now() + (step.preparing - 1.5) * 1000;
  pool = [];
  for (let index = 0; index < step.each && Date.now() < until; index++) {
    const number = step.first + (exec.vu.idInTest - 1) * step.each + index;
    const user = show.firstUser + number;
    const entry = { token: api.admitted(user, show.queue), number };
    if (step.call === 'pay') {
      api.charge(user, 1000, `charge-${user}`);
      const held = api.hold(entry.token, show.scheduleIds[0], number, [201], 'prepared');
      if (held.status !== 201) continue;
      entry.reservation = held.json('reservationId');
    }
    pool.push(entry);
  }
}

/** What was prepared for one iteration; null when there is nothing left. */
function take() {
  const entry = pool.pop();
  if (!entry) unprepared.add(1);
  return entry;
}

export function hold_free(show) {
  const entry = take();
  if (entry) api.hold(entry.token, show.scheduleIds[0], entry.number, [201], 'hold_free');
}

export function pay(show) {
  const entry = take();
  if (entry) api.pay(entry.token, entry.reservation, `pay-${show.firstUser + entry.number}`);
}

let mine;
export function hold_taken(show) {
  mine = mine || api.admitted(show.firstUser + 1e6 + exec.vu.idInTest, show.queue);
  api.hold(mine, show.scheduleIds[0], show.seats, [409], 'hold_taken');
}

export const token = (show) => api.enter(show.firstUser + here().first + exec.scenario.iterationInTest, show.queue);

export const catalogue = (show) => api.browse(`/v1/schedules/${show.looked}/seats`);

/** What each step came to: [{call, rate, bound, answered, p95, limit}], limit null where the rate was kept within the bound. */
export function outcomes(data) {
  return steps.map(({ name, call, rate, bound, seconds }) => {
    const of = (metric, key) => ((data.metrics[metric] || {}).values || {})[key] || 0;
    const count = of(timesOf(name, call), 'count');
    const p95 = of(timesOf(name, call), 'p(95)');
    const answered = count / seconds;
    const lost = of(droppedIn(name), 'count') / (rate * seconds);
    // Little's law: how many virtual users waited for an answer, on average.
    const waiting = (answered * of(timesOf(name, call), 'avg')) / 1000 / users;
    const limit = count === 0 ? `nothing sent at ${rate}/s`
      : of(failuresOf(name), 'rate') > 0.01 ? `service: failures at ${rate}/s`
      : p95 > bound ? `service: p95 ${p95.toFixed(0)} ms at ${rate}/s`
      : of(unpreparedIn(name), 'count') > 0.02 * rate * seconds ? `preparation: too slow for ${rate}/s`
      : lost > 0.02 && waiting > 0.7 ? `service: all ${users} users waited at ${rate}/s, ${answered.toFixed(0)}/s answered`
      : lost > 0.02 ? `load generator: ${(100 * lost).toFixed(0)} % not started at ${rate}/s`
      : null;
    return { call, rate, bound, answered, p95, limit };
  });
}
