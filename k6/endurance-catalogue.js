// Endurance: fifty users look at concerts, schedules and seats; half of their looks carry the ETag they have.
import { check, sleep } from 'k6';
import { addShow, browse } from './lib/api.js';
import { either } from './lib/settings.js';
import { summaryOf } from './lib/summary.js';

export const options = {
  scenarios: { endurance: { executor: 'constant-vus', vus: 50, duration: either('180s', '25s'), gracefulStop: '5s' } },
  thresholds: {
    http_req_failed: ['rate<0.001'],
    'http_req_duration{call:catalogue}': ['p(95)<60'],
    cache_hits: ['rate>0.95'],
    server_errors: ['count==0'],
    checks: ['rate>0.999'],
  },
};

export const setup = () => addShow({ name: 'endurance', maxActive: 10, schedules: 2, seats: 50 });

const etags = {};

export default function (show) {
  const paths = ['/v1/concerts', `/v1/concerts/${show.concertId}/schedules`, `/v1/schedules/${show.scheduleIds[0]}/seats`];
  for (const path of paths) {
    const answer = browse(path, Math.random() < 0.5 ? etags[path] : undefined);
    etags[path] = answer.headers.Etag || answer.headers.ETag;
    check(answer, { answered: (r) => r.status === 304 || (r.status === 200 && r.body.length > 2) });
    sleep(0.03 + Math.random() * 0.06);
  }
}

export const handleSummary = summaryOf('endurance-catalogue');
