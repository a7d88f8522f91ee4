// Spike: from nobody to a hundred users at once, all entering the waiting room.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { addShow, enter } from './lib/api.js';
import { either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

export const options = {
  scenarios: {
    spike: {
      executor: 'ramping-vus',
      stages: [
        { target: 100, duration: either('10s', '5s') },
        { target: 100, duration: either('60s', '15s') },
        { target: 0, duration: either('10s', '5s') },
      ],
      gracefulRampDown: '2s',
    },
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{call:token}': ['p(95)<100'],
    server_errors: ['count==0'],
    checks: ['rate>0.99'],
  },
};

export const setup = () => addShow({ name: 'spike', maxActive: 50, seats: 50 });

export default function (show) {
  const user = show.firstUser + exec.scenario.iterationInTest;
  const first = enter(user, show.queue);
  const again = enter(user, show.queue);
  check(null, {
    'a new place': () => first.status === 201,
    'the same place again': () => again.status === 200 && again.json('position') <= first.json('position'),
  });
  sleep(0.1 + Math.random() * 0.2);
}

export const handleSummary = summaryOf('spike-token');
