// The calls of the service, one function each. Each is tagged with its name, so that thresholds can speak of one call.
import http from 'k6/http';
import { Rate, Counter } from 'k6/metrics';
import { accessToken } from './jwt.js';
import { baseUrl } from './settings.js';

/** Whether a catalogue answer came from the service's memory, by its Cache-Status. */
export const cacheHits = new Rate('cache_hits');
/** Answers of 500 and above, whatever the test expects. */
export const serverErrors = new Counter('server_errors');

const json = { 'Content-Type': 'application/json' };

function send(call, method, path, body, headers, expected) {
  const response = http.request(method, `${baseUrl}${path}`, body === null ? null : JSON.stringify(body), {
    headers: body === null ? headers : { ...headers, ...json },
    tags: { call, name: call },
    responseCallback: http.expectedStatuses(...expected),
  });
  if (response.status >= 500) serverErrors.add(1, { call });
  return response;
}

const bearer = (userId, role) => ({ Authorization: `Bearer ${accessToken(userId, role)}` });

export const enter = (userId, queue) => send('token', 'POST', '/v1/queue/tokens', { queue }, bearer(userId), [200, 201]);

export const place = (token) => send('place', 'GET', '/v1/queue/tokens/current', null, { 'Queue-Token': token }, [200]);

export const hold = (token, scheduleId, seatNo, expected = [200, 201, 409], call = 'hold') =>
  send(call, 'POST', '/v1/reservations', { scheduleId, seatNo }, { 'Queue-Token': token }, expected);

/** Holds several seats as one booking. */
export const holdTogether = (token, scheduleId, seatNos, expected = [201]) =>
  send('booking', 'POST', '/v1/bookings', { scheduleId, seatNos }, { 'Queue-Token': token }, expected);

export const release = (userId, reservationId) =>
  send('release', 'DELETE', `/v1/reservations/${reservationId}`, null, bearer(userId), [204]);

/** As the payment service does it, with a cashier's token: so it works whatever Points__SelfCharge says. */
export const charge = (userId, amount, key) =>
  send('charge', 'POST', '/v1/points/charges', { userId, amount }, { ...bearer(2, 'cashier'), 'Idempotency-Key': key }, [201]);

export const balance = (userId) => send('points', 'GET', '/v1/points', null, bearer(userId), [200]);

export const pay = (token, reservationId, key, expected = [201]) =>
  send('pay', 'POST', '/v1/payments', { reservationId }, { 'Queue-Token': token, 'Idempotency-Key': key }, expected);

export const payBooking = (token, bookingId, key, expected = [201]) =>
  send('pay', 'POST', '/v1/payments', { bookingId }, { 'Queue-Token': token, 'Idempotency-Key': key }, expected);

/** A catalogue call; with an ETag that still holds it answers 304. */
export function browse(path, etag) {
  const response = send('catalogue', 'GET', path, null, etag ? { 'If-None-Match': etag } : {}, [200, 304]);
  cacheHits.add(/;\s*hit\b/.test(response.headers['Cache-Status'] || ''));
  return response;
}

const must = (response, status) => {
  if (response.status !== status) throw new Error(`${response.request.method} ${response.request.url}: ${response.status} ${response.body}`);
  return response;
};

/** A concert of its own, with a queue of its own, so that a test meets nobody else. */
export function addShow({ name, maxActive, schedules = 1, seats, price = 1000 }) {
  const admin = bearer(1, 'admin');
  const queue = `k6-${name}-${Date.now().toString(36)}`;
  must(send('admin', 'PUT', `/v1/admin/queues/${queue}`, { maxActive, activeSeconds: 3600 }, admin, [200]), 200);
  const concert = must(send('admin', 'POST', '/v1/admin/concerts', { title: `k6 ${name}`, queue }, admin, [201]), 201).json('concertId');
  const startsAt = new Date(Date.now() + 30 * 86400e3).toISOString();
  const scheduleIds = [];
  for (let index = 0; index < schedules; index++) {
    scheduleIds.push(
      must(send('admin', 'POST', `/v1/admin/concerts/${concert}/schedules`, { startsAt, seatCount: seats, price }, admin, [201]), 201).json('scheduleId'),
    );
  }
  // User ids of this run: others start from another millisecond.
  return { queue, concertId: concert, scheduleIds, seats, price, firstUser: Date.now() * 1000 };
}

/** The token of a user who must be admitted at once. */
export function admitted(userId, queue) {
  const answer = enter(userId, queue).json();
  if (answer.status !== 'ACTIVE') throw new Error(`user ${userId} is ${answer.status}, not ACTIVE`);
  return answer.token;
}
