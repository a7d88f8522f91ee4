// The whole way, mixed: enter, wait, look, hold, charge, pay; some hold a seat that is gone, some cannot pay, some leave,
// and some come as three and book together.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { addShow, browse, charge, enter, hold, holdTogether, pay, payBooking, place, release } from './lib/api.js';
import { either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

const journeys = new Counter('journeys');

export const options = {
  scenarios: { journey: { executor: 'constant-vus', vus: 30, duration: either('120s', '25s'), gracefulStop: '15s' } },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{call:token}': ['p(95)<100'],
    'http_req_duration{call:catalogue}': ['p(95)<60'],
    'http_req_duration{call:hold}': ['p(95)<200'],
    'http_req_duration{call:booking}': ['p(95)<250'],
    'http_req_duration{call:pay}': ['p(95)<160'],
    server_errors: ['count==0'],
    journeys: ['count>0'],
    checks: ['rate>0.99'],
  },
};

// Fewer places than users: some of them wait.
export const setup = () => addShow({ name: 'journey', maxActive: 20, schedules: 1, seats: 20000 });

function admission(user, queue) {
  let answer = enter(user, queue).json();
  while (answer.status !== 'ACTIVE') {
    sleep(Math.min(answer.pollAfterMs, 1000) / 1000);
    answer = place(answer.token).json();
  }
  return answer.token;
}

// Three seats of the second half of the hall, which nobody takes alone.
function bookTogether(show, user, token, group) {
  const first = 1 + show.seats / 2 + ((3 * group) % (show.seats / 2 - 2));
  const booking = holdTogether(token, show.scheduleIds[0], [first, first + 1, first + 2]);
  if (!check(booking, { 'booked together': (r) => r.status === 201 && r.json('seats').length === 3 })) return;
  charge(user, 3 * show.price, `charge-${user}`);
  check(payBooking(token, booking.json('bookingId'), `pay-${user}`), { paid: (r) => r.status === 201 && r.json('balance') === 0 });
  journeys.add(1);
}

export default function (show) {
  const number = exec.scenario.iterationInTest;
  const user = show.firstUser + number;
  const token = admission(user, show.queue);
  browse('/v1/concerts');
  browse(`/v1/concerts/${show.concertId}/schedules`);

  if (number % 10 === 7) return bookTogether(show, user, token, Math.floor(number / 10));
  const seat = 1 + (number % (show.seats / 2));
  const held = hold(token, show.scheduleIds[0], seat);
  if (held.status !== 201) return;
  sleep(0.1 + Math.random() * 0.3);
  const reservation = held.json('reservationId');
  if (number % 10 === 9) {
    const refused = pay(token, reservation, `pay-${user}`, [402]);
    check(refused, { 'too poor': (r) => r.status === 402 && r.json('code') === 'insufficient_points' });
  }
  if (number % 10 === 8) {
    check(release(user, reservation), { released: (r) => r.status === 204 });
  }
  charge(user, show.price, `charge-${user}`);
  const answer = pay(token, number % 10 === 8 ? hold(token, show.scheduleIds[0], seat, [201]).json('reservationId') : reservation, `pay-${user}-2`);
  check(answer, { paid: (r) => r.status === 201 && r.json('balance') === 0 });
  journeys.add(1);
}

export const handleSummary = summaryOf('journey');
