// Soak: twenty users pay again and again, each payment repeated with the same key, as an impatient client would.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { addShow, admitted, balance, charge, hold, pay } from './lib/api.js';
import { either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

const paid = new Counter('payments');
const duplicates = new Counter('duplicates_paid');

export const options = {
  scenarios: { soak: { executor: 'constant-vus', vus: 20, duration: either('150s', '25s'), gracefulStop: '5s' } },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{call:pay}': ['p(95)<160'],
    server_errors: ['count==0'],
    duplicates_paid: ['count==0'],
    payments: ['count>0'],
    checks: ['rate>0.99'],
  },
};

export const setup = () => addShow({ name: 'soak', maxActive: 1000, seats: 50000, price: 700 });

export default function (show) {
  const number = exec.scenario.iterationInTest;
  const user = show.firstUser + number;
  const token = admitted(user, show.queue);
  charge(user, 2000, `charge-${user}`);
  const held = hold(token, show.scheduleIds[0], 1 + (number % show.seats), [201]);
  if (held.status !== 201) return;

  const first = pay(token, held.json('reservationId'), `pay-${user}`);
  const repeats = [1, 2].map(() => pay(token, held.json('reservationId'), `pay-${user}`));
  const left = balance(user).json('balance');
  if (first.status === 201) paid.add(1);
  if (left < 2000 - show.price || repeats.some((r) => r.status === 201 && r.body !== first.body)) duplicates.add(1);
  check(null, {
    'paid once': () => first.status === 201 && left === 2000 - show.price,
    'the same answer again': () => repeats.every((r) => r.body === first.body && r.headers['Idempotency-Replayed'] === 'true'),
  });
  sleep(0.1 + Math.random() * 0.1);
}

export const handleSummary = summaryOf('soak-pay');
