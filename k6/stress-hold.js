// Stress: fifty users want the same few seats. A winner lets go after a moment, so the fight never ends.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { addShow, admitted, hold, release } from './lib/api.js';
import { either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

const won = new Counter('holds_won');
const lost = new Counter('holds_lost');
const SEATS = 10;

export const options = {
  scenarios: { stress: { executor: 'constant-vus', vus: 50, duration: either('60s', '25s'), gracefulStop: '5s' } },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{call:hold}': ['p(95)<200'],
    server_errors: ['count==0'],
    checks: ['rate>0.99'],
    holds_won: ['count>0'],
    holds_lost: ['count>0'],
  },
};

export const setup = () => addShow({ name: 'stress', maxActive: 100, seats: SEATS });

let token;

export default function (show) {
  const user = show.firstUser + exec.vu.idInTest;
  token = token || admitted(user, show.queue);
  const answer = hold(token, show.scheduleIds[0], 1 + Math.floor(Math.random() * SEATS));
  if (answer.status === 201) {
    won.add(1);
    sleep(0.2);
    release(user, answer.json('reservationId'));
  } else {
    lost.add(1);
    check(answer, { 'told that the seat is taken': (r) => r.status === 409 && r.json('code') === 'seat_taken' });
  }
  sleep(0.05 + Math.random() * 0.1);
}

export const handleSummary = summaryOf('stress-hold');
