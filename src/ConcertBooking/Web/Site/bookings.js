// Holding, extending, paying and releasing. Every request may be repeated: it has a key, or its effect is the same the second time.
import { call, Problem } from './api.js';
import { answered, asUser, pendingKey } from './session.js';
import * as queue from './queue.js';

/** Problems of a queue token that a new entry mends. */
const lost = ['queue_token_expired', 'queue_token_invalid', 'queue_token_missing'];

async function inQueue(name, request) {
  try {
    return (await request(await queue.token(name))).body;
  } catch (error) {
    if (!(error instanceof Problem) || !lost.includes(error.code)) {
      throw error;
    }

    queue.forget(name);
    return (await request(await queue.token(name))).body;
  }
}

export const hold = async (queueName, scheduleId, seatNos) =>
  (await call('POST', '/v1/bookings', { queue: queue.tokenOf(queueName), body: { scheduleId, seatNos } })).body;

export async function holdBest(queueName, scheduleId, bestAvailable) {
  // A reload may repeat the request: another wish is another request.
  const name = `best.${scheduleId}.${JSON.stringify(bestAvailable)}`;
  try {
    const { body } = await call('POST', '/v1/bookings', {
      queue: queue.tokenOf(queueName), key: pendingKey(name), body: { scheduleId, bestAvailable },
    });
    answered(name);
    return body;
  } catch (error) {
    if (error instanceof Problem) {
      answered(name);
    }

    throw error;
  }
}

export const get = async (bookingId, signal) => (await asUser('GET', `/v1/bookings/${encodeURIComponent(bookingId)}`, { signal })).body;

export const list = async (cursor, signal, limit = 20) =>
  (await asUser('GET', `/v1/bookings?limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, { signal })).body;

/** The one call that must not be repeated blindly: when its answer is lost, the booking itself says what happened. */
export const extend = (queueName, bookingId) => inQueue(queueName, token =>
  call('POST', `/v1/bookings/${bookingId}/extension`, { queue: token, repeatable: false }));

export const release = bookingId => asUser('DELETE', `/v1/bookings/${bookingId}`);

/** The key is the booking's own: from whichever tab and however often, it is one payment. */
export async function pay(queueName, bookingId) {
  const payment = await inQueue(queueName, token =>
    call('POST', '/v1/payments', { queue: token, key: `pay-${bookingId}`, body: { bookingId } }));
  queue.forget(queueName); // used up; who holds more enters again
  return payment;
}

export const balance = async signal => (await asUser('GET', '/v1/points', { signal })).body.balance;

export async function charge(amount) {
  const name = `charge.${amount}`;
  const { body } = await asUser('POST', '/v1/points/charges', { key: pendingKey(name), body: { amount } });
  answered(name);
  return body.balance;
}
